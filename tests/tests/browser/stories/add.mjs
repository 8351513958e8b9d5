import { writeFileSync } from "node:fs";
import { api, assert, becomes, fakeToken, fillIn, isFine, play, scene, signIn, watched } from "./scene.mjs";

await play(async (page, browser) => {
  const sent = [];
  browser.on("request", (request) => sent.push(`${request.url()} ${JSON.stringify(request.headers())} ${request.postData() ?? ""}`));
  await signIn(page, "ada", "/t/default/leaks");
  await page.getByTestId("add").click();
  await page.getByTestId("where").getByText("do not leave this page").waitFor();
  assert.equal(await page.locator("textarea[name]").count(), 0, "no form would send it");
  await isFine(page, "nothing to add");

  // Each line is told before anything is sent.
  const [one, two] = [fakeToken(), fakeToken()];
  await page.getByLabel("Tokens").fill(`${one}\n\nshort\n"${one}"\nno token here\nchangeme\n${two}`);
  await page.getByTestId("summary").getByText("3 tokens, 3 not added").waitFor();
  const lines = await page.getByTestId("lines").locator("tbody tr").allTextContents();
  for (const [line, text] of [[0, /^3.*Too short/], [1, /^4.*Stands above/], [2, /^5.*no token/], [3, /^1fk_.*Is added/], [4, /^6.*Weak: a placeholder/], [5, /^7fk_/]]) {
    assert.match(lines[line], text);
  }
  await isFine(page, "lines to add");

  // A session that ends takes nothing along.
  await page.getByLabel("Title").fill("Pasted <by> hand");
  await page.getByLabel("Risk").selectOption("critical");
  const { users } = await api("GET", "/users?text=ada");
  await api("DELETE", `/users/${users[0].id}/sessions`);
  await page.getByTestId("send").click();
  await page.getByText("Your session has ended").waitFor();
  assert.match(await page.getByLabel("Tokens").inputValue(), new RegExp(two));
  const other = await watched(browser);
  await other.goto("/");
  await fillIn(other, "ada", scene.password);
  await other.getByTestId("who").waitFor();
  await other.close();
  await page.getByTestId("send").click();
  await page.waitForURL(/leaks\/\d+$/);
  const leak = await api("GET", `/leaks/${page.url().split("/").at(-1)}`);
  assert.deepEqual([leak.title, leak.risk, leak.token_count], ["Pasted <by> hand", "critical", 3]);
  const preview = (token) => `${token.slice(0, 4)}…${token.slice(-4)}`;
  assert.deepEqual(leak.tokens.map((token) => token.preview).sort(), ["c…e", preview(one), preview(two)].sort());
  assert.deepEqual(leak.tokens.map((token) => token.weakness).sort(), [null, "placeholder", null].sort());

  // The server would have made the same of the tokens: it knows them, and so does the filter.
  await page.goto("/t/default/leaks/new");
  await page.getByLabel("Title").fill("Once more");
  await page.getByLabel("Tokens").fill(two);
  await page.getByTestId("send").click();
  await page.getByTestId("wrong").getByText(new RegExp(leak.id)).waitFor();
  assert.equal(await page.getByLabel("Tokens").inputValue(), two, "nothing has to be typed again");
  await becomes("the filter knows the token", async () => {
    const { matches } = await api("POST", "/verdicts", { url: "/", headers: { authorization: `Bearer ${one}` } });
    return matches[0]?.leak === leak.id;
  });

  // As a file.
  const third = fakeToken();
  writeFileSync(`${scene.profile}.env`, `# of the laptop\nAPI_KEY ${third}\n${third}\n`);
  await page.getByLabel("Or read a file").setInputFiles(`${scene.profile}.env`);
  await page.getByTestId("summary").getByText("1 token, 2 not added").waitFor();
  await page.getByTestId("send").click();
  await page.waitForURL(/leaks\/\d+$/);

  // No token has left the page, nor any part of one that a preview does not show.
  assert.ok(sent.length > 10 && sent.some((request) => request.includes("fingerprinted=")));
  for (const token of [one, two, third]) {
    for (let at = 0; at + 8 <= token.length; at++) {
      const piece = token.slice(at, at + 8);
      assert.ok(!sent.some((request) => request.includes(piece)), "a piece of a token was sent");
    }
  }
  const { entries } = await api("GET", "/audit?action=fingerprint_key.show");
  assert.equal(entries[0].actor.name, "ada", "it is on record that the keys were handed out");
});
