import { api, assert, becomes, fakeToken, isFine, play, signIn } from "./scene.mjs";

await play(async (page) => {
  const token = fakeToken();
  const leak = await api("POST", "/leaks", { title: "A laptop", tokens: [token] });
  await api("POST", `/leaks/${leak.number}/decisions`, { action: "apply_virtual_patch" });
  await signIn(page, "ann", "/t/default/try");
  await isFine(page, "try it");
  const judge = async (request) => {
    await page.getByLabel("or the text of a request").fill(request);
    const answer = page.waitForResponse("**/try/verdict");
    await page.getByTestId("judge").click();
    await (await answer).finished();
  };
  const verdict = page.getByTestId("verdict");
  await becomes("the index has the token", async () => {
    await judge(`curl 'https://api.example.com/é' -H 'Authorization: Bearer ${token}'`);
    return await verdict.getByText("A gateway refuses it, with status 403").isVisible();
  });
  assert.equal(await verdict.locator("mark").textContent(), token, "marked where it stands");
  assert.match(await verdict.getByTestId("matches").locator("tbody tr").textContent(), new RegExp(`Header authorization.*${leak.id}.*A laptop`));
  await isFine(page, "a verdict");

  await judge(`GET /v1/${token}?a=b HTTP/1.1\nHost: api.example.com\n\n`);
  await verdict.getByText("Path, segment 2").waitFor();
  await judge("GET / HTTP/1.1\nHost: api.example.com\n\n");
  await verdict.getByText("there is no leaked token in it").waitFor();

  // What cannot be read is told beside it.
  await judge("curl --no-such-option");
  await verdict.getByRole("alert").waitFor();
  assert.match(await page.getByLabel("or the text of a request").inputValue(), /no-such-option/);
});
