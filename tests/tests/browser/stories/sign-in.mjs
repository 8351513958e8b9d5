import { assert, at, fillIn, isFine, play, scene } from "./scene.mjs";

await play(async (page) => {
  await page.goto("/t/default/leaks?status=open");
  assert.match(at(page), /^\/sign-in\?next=/);
  await isFine(page, "sign in");
  await fillIn(page, "ada", "not her password");
  await page.getByRole("alert").waitFor();
  assert.equal(await page.getByLabel("Name").inputValue(), "ada", "only the password has to be given again");
  await fillIn(page, "ada", scene.password);
  await page.waitForURL("**/t/default/leaks?status=open");

  const cookies = await page.context().cookies();
  assert.ok(cookies.every((cookie) => cookie.httpOnly), "no script reads the session");
  const again = await page.goto("/");
  assert.equal(at(page), "/t/default", "the overview is where one begins");
  const policy = again.headers()["content-security-policy"];
  assert.match(policy, /^default-src 'none'; script-src 'self';/);
  assert.doesNotMatch(policy, /unsafe/);

  await page.getByTestId("who").click();
  await page.getByTestId("sign-out").click();
  await page.waitForURL("**/sign-in");
  await page.goBack();
  await page.waitForURL("**/sign-in?next=*");

  // Nobody is sent to another server.
  await page.goto("/sign-in?next=//stopleak.invalid/");
  await fillIn(page, "ada", scene.password);
  await page.waitForURL("**/t/default");

  // Pages that are not there.
  for (const path of ["/t/default/no-such-page", "/t/no-such-tenant", "/no-such-page", "/assets/no-such-file"]) {
    const answer = await page.goto(path);
    assert.equal(answer.status(), 404, path);
    await page.getByRole("heading", { name: /not found|no such/i }).waitFor();
  }
  await isFine(page, "not found");
  await page.getByRole("link", { name: "Back to the overview" }).click();
  await page.waitForURL("**/t/default");
});
