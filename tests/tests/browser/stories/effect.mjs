import { api, assert, becomes, fakeToken, isFine, play, scene, signIn, watched } from "./scene.mjs";

// The story that the console is for: from the chart to the leak, a patch, and its effect on a real gateway.
await play(async (page, browser) => {
  const token = fakeToken();
  const leak = await api("POST", "/leaks", { title: "In a public repository", risk: "critical", tokens: [token] });
  const use = async () => (await fetch(`${scene.gateway}/v1/orders`, { headers: { authorization: `Bearer ${token}` } })).status;
  await signIn(page, "ada");
  await page.getByTestId("chart-risk").getByRole("link", { name: "Critical" }).click();
  await page.getByRole("link", { name: "In a public repository" }).click();
  await page.getByTestId("impact").getByText("would have refused nothing").waitFor();

  // An attempt arrives on the open page.
  const attempts = page.getByTestId("attempts").locator("tbody tr");
  await becomes("the gateway observes the token", async () => {
    assert.equal(await use(), 200);
    return (await api("GET", `/attempts?leak=${leak.id}`)).attempts.length > 0;
  });
  await attempts.first().getByText("Observed").waitFor();
  await page.reload();
  await page.getByTestId("impact").getByText(/would have refused \d+ requests? of 1/).waitFor();

  // A patch, and how far it has come.
  await page.getByLabel("Reason").fill("still in use");
  await page.getByRole("button", { name: "Apply virtual patch" }).click();
  await page.waitForURL("**#decided");
  await page.getByTestId("reach").getByText(/^In force on 1 of 1 gateway after \d+ ms$/).waitFor();
  assert.equal(await use(), 403);
  await attempts.first().getByText("Blocked").waitFor();
  await isFine(page, "a leak that is used");

  // Who follows attempts sees it, too; by whom, of what and where they are.
  const other = await watched(browser);
  await other.goto("/t/default/attempts?live=on");
  const before = await other.getByTestId("attempts").locator("tbody tr").count();
  const uses = (await api("GET", `/leaks/${leak.number}`)).attempts.blocked;
  await use();
  await becomes("it is told", async () => (await api("GET", `/leaks/${leak.number}`)).attempts.blocked > uses);
  await becomes("it is shown", async () => (await other.getByTestId("attempts").locator("tbody tr").count()) >= before);
  for (const [by, key] of [["By client", "127.0.0.1"], ["By leak", leak.id], ["By route", "/v1/orders"]]) {
    await other.getByRole("link", { name: by }).click();
    await other.getByTestId("groups").getByText(key).first().waitFor();
  }
  await isFine(other, "attempts by route");
  await other.goto("/t/default/gateways");
  await other.getByText("In sync").waitFor();
  await isFine(other, "a gateway");
  await other.goto("/");
  const tile = other.getByRole("listitem").filter({ hasText: "Decision to enforced" });
  assert.match(await tile.textContent(), /\d+ ms.*median of the last \d/);

  // And undone.
  await page.getByRole("button", { name: "Remove virtual patch" }).click();
  await page.getByTestId("reach").getByText(/^In force on 1 of 1 gateway/).waitFor();
  assert.equal(await use(), 200);
});
