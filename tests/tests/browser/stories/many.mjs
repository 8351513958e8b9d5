import { api, assert, becomes, play, signIn } from "./scene.mjs";

await play(async (page) => {
  await signIn(page, "ada", "/t/default/leaks?status=open&patched=false");
  const selected = page.locator("[data-selected]");
  assert.ok(await page.getByTestId("decide").isDisabled(), "there is nothing to decide on");

  for (const key of ["j", "x", "j", "j", "x", "k", "x"]) await page.keyboard.press(key);
  await becomes("three are selected", async () => (await selected.textContent()) === "3 selected");
  const leaks = await page.locator("[name=leaks]:checked").evaluateAll((boxes) => boxes.map((box) => box.value));
  await page.keyboard.press("p");
  await page.keyboard.type("found by keyboard");
  await page.keyboard.press("Enter");
  await page.getByTestId("decided").waitFor();
  assert.match(await page.getByTestId("decided").textContent(), /3 done/);
  for (const leak of leaks) {
    const { virtual_patch: patch, decisions } = await api("GET", `/leaks/${leak}`);
    assert.ok(patch, leak);
    assert.deepEqual([decisions.at(-1).author, decisions.at(-1).reason], ["ada", "found by keyboard"]);
  }

  // What cannot be decided is told for each.
  await page.goto("/t/default/leaks?status=closed");
  await page.getByLabel("Select all of this page").check();
  await page.getByLabel("Decision").selectOption("close");
  await page.getByTestId("decide").click();
  assert.match(await page.getByTestId("decided").textContent(), /0 done, 3 not possible/);
  await page.getByText("there is nothing to do").first().waitFor();

  // Weak tokens are confirmed in a second step.
  const { id } = await api("POST", "/leaks", { title: "Weak", tokens: ["changeme"] });
  await page.goto("/t/default/leaks?text=Weak");
  await page.getByLabel(`Select ${id}`).check();
  await page.getByLabel("Reason").fill("we know");
  await page.getByTestId("decide").click();
  await page.getByRole("button", { name: "Block them nevertheless" }).click();
  assert.match(await page.getByTestId("decided").textContent(), /1 done/);
  assert.equal((await api("GET", `/leaks/${id}`)).decisions.at(-1).reason, "we know");

  // The risk is asked for where it belongs.
  await page.goto("/t/default/leaks?text=Weak");
  assert.ok(await page.getByLabel("New risk").isHidden());
  await page.getByLabel("Decision").selectOption("set_risk");
  await page.getByLabel("New risk").selectOption("low");
  await page.getByLabel(`Select ${id}`).check();
  await page.getByTestId("decide").click();
  await page.getByTestId("decided").waitFor();
  assert.equal((await api("GET", `/leaks/${id}`)).risk, "low");

  await page.goto("/t/default/leaks");
  await page.keyboard.press("?");
  await page.getByRole("heading", { name: "Keyboard" }).waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("heading", { name: "Keyboard" }).waitFor({ state: "hidden" });
  // The list of keys takes its leave in its own time, and keys that are pressed meanwhile are its.
  const at = page.locator("[data-row].at");
  for (let tries = 0; tries < 50 && !(await at.count()); tries++) {
    await page.keyboard.press("j");
    await page.waitForTimeout(100);
  }
  await at.waitFor();
  await page.keyboard.press("Enter");
  await page.waitForURL(/leaks\/\d+$/);
});
