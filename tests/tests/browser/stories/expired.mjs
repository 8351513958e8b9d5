import { api, assert, at, fillIn, play, scene, signIn } from "./scene.mjs";

await play(async (page) => {
  await signIn(page, "ada", "/t/default/leaks?status=open");
  await page.getByLabel("Select LK-10", { exact: true }).check();
  await page.getByLabel("Select LK-11", { exact: true }).check();
  await page.getByLabel("Decision").selectOption("close");
  await page.getByLabel("Reason").fill("rotated & gone");
  const { users } = await api("GET", "/users?text=ada");
  await api("DELETE", `/users/${users[0].id}/sessions`);

  await page.getByTestId("decide").click();
  await page.getByRole("heading", { name: "Your session has ended" }).waitFor();
  assert.equal((await api("GET", "/leaks/10")).status, "open", "nothing was changed");
  await fillIn(page, "ada", scene.password);
  await page.waitForURL("**/t/default/leaks?*");
  assert.doesNotMatch(at(page), /csrf|password/);
  assert.match(at(page), /status=open/, "the list that it was");
  assert.ok(await page.getByLabel("Select LK-10", { exact: true }).isChecked());
  assert.ok(await page.getByLabel("Select LK-11", { exact: true }).isChecked());
  assert.equal(await page.getByLabel("Reason").inputValue(), "rotated & gone");
  await page.getByTestId("decide").click();
  await page.getByTestId("decided").waitFor();
  const { status, decisions } = await api("GET", "/leaks/10");
  assert.deepEqual([status, decisions.at(-1).reason], ["closed", "rotated & gone"]);

  // A part of a page that is asked for later leads to the same.
  const again = await api("GET", "/users?text=ada");
  await page.goto("/t/default/leaks");
  await api("DELETE", `/users/${again.users[0].id}/sessions`);
  await page.getByLabel("Risk", { exact: true }).selectOption("low");
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await fillIn(page, "ada", scene.password);
  await page.waitForURL("**/t/default/leaks?risk=low");
});
