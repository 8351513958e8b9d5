import { api, assert, at, fakeToken, play, signIn } from "./scene.mjs";

await play(async (page) => {
  await signIn(page, "ada", "/t/default/leaks");
  await page.getByLabel("Risk", { exact: true }).selectOption("critical");
  await page.getByRole("button", { name: "Filter" }).click();
  assert.match(at(page), /risk=critical/);
  assert.deepEqual(new Set(await page.locator("[data-row] .risk").allTextContents()), new Set(["Critical"]));
  await page.locator("[data-row] .title").first().click();
  await page.getByLabel("Reason").fill("rotated");
  await page.getByTestId("decide").getByRole("button", { name: "Close" }).click();
  await page.getByRole("button", { name: "Reopen" }).waitFor();

  // The form works, and says what becomes of the tokens.
  const token = fakeToken();
  await page.goto("/t/default/leaks/new");
  assert.ok(await page.getByTestId("where").getByText("The tokens are sent to the server").isVisible());
  assert.ok(await page.getByTestId("where").getByText("do not leave this page").isHidden());
  await page.getByLabel("Title").fill("Typed in");
  await page.getByLabel("Tokens").fill(`${token}\nabc`);
  await page.getByTestId("send").click();
  await page.getByTestId("wrong").getByText("too_short").waitFor();
  assert.equal(await page.getByLabel("Title").inputValue(), "Typed in");
  assert.doesNotMatch(await page.content(), new RegExp(token.slice(4, -4)), "no answer has a token in it");
  await page.getByLabel("Tokens").fill(token);
  await page.getByTestId("send").click();
  await page.waitForURL(/leaks\/\d+$/);
  const leak = await api("GET", `/leaks/${page.url().split("/").at(-1)}`);
  assert.deepEqual([leak.title, leak.token_count], ["Typed in", 1]);

  await page.goto("/t/default/try");
  await page.getByLabel("or the text of a request").fill("GET / HTTP/1.1\nHost: api.example.com\n\n");
  await page.getByTestId("judge").click();
  await page.getByTestId("verdict").getByText("no leaked token").waitFor();
}, { javaScriptEnabled: false });
