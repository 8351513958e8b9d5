import { assert, at, becomes, play, signIn } from "./scene.mjs";

await play(async (page) => {
  await signIn(page, "ada");
  const tile = page.getByRole("listitem").filter({ hasText: "Critical without a patch" });
  const critical = await tile.locator("b").textContent();
  await tile.getByRole("link").click();
  await page.waitForURL("**/leaks?status=open&risk=critical&patched=false");
  assert.equal(await page.getByTestId("count").locator("b").textContent(), critical);

  // Every row of a table leads to as many leaks as it says.
  await page.goto("/");
  for (const chart of ["chart-risk", "chart-source"]) {
    const rows = await page.getByTestId(chart).locator("tbody tr").evaluateAll((rows) => rows.map((row) => ({
      href: row.querySelector("a").getAttribute("href"), value: row.querySelector("[data-value]").dataset.value,
    })));
    assert.ok(rows.length > 1, chart);
    for (const { href, value } of rows) {
      await page.goto(href);
      assert.equal(await page.getByTestId("count").locator("b").textContent(), value, href);
    }
    await page.goto("/");
  }

  // So does the picture: a ring begins at the top, with the critical ones.
  const ring = page.getByTestId("chart-risk").locator("[data-canvas]");
  await becomes("the ring is drawn", () => ring.evaluate((canvas) => "drawn" in canvas.dataset));
  const { width, height } = await ring.boundingBox();
  await ring.click({ position: { x: width / 2 + 4, y: height / 2 - Math.min(width, height) * 0.38 } });
  await page.waitForURL("**/leaks?status=open&risk=critical");

  // Charts over time are tables as well.
  await page.goto("/?days=7");
  await page.goto("/t/default?days=7");
  const time = page.getByTestId("chart-status");
  await time.getByRole("button", { name: "Table" }).click();
  assert.equal(await time.locator("tbody tr").count(), 7);
  const last = await time.locator("tbody tr").last().locator("[data-value]").allTextContents();
  const open = await page.getByRole("listitem").filter({ hasText: "Open leaks" }).locator("b").textContent();
  assert.equal(last[0], open, "today is how it stands now");
  await time.getByRole("button", { name: "Chart" }).click();
  assert.ok(await time.locator("[data-canvas]").isVisible());
  await time.getByRole("link", { name: "Closed" }).first().click();
  await page.waitForURL("**/leaks?status=closed");
  assert.equal(await page.getByTestId("count").locator("b").textContent(), last[1]);
  assert.equal(at(page), "/t/default/leaks?status=closed");
});
