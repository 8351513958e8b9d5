import { api, assert, at, play, signIn } from "./scene.mjs";

await play(async (page) => {
  await signIn(page, "ann", "/t/default/leaks");
  assert.ok(await page.locator("[data-row]").count() > 10, "an analyst sees the leaks");
  for (const absent of ["[data-test=add]", "[name=leaks]", "[data-all]", "[data-decide]"]) assert.equal(await page.locator(absent).count(), 0, absent);
  await page.keyboard.press("j");
  await page.keyboard.press("x");
  await page.keyboard.press("p");
  assert.equal(at(page), "/t/default/leaks");

  await page.keyboard.press("Enter");
  await page.getByTestId("title").waitFor();
  for (const absent of ["decide", "comment", "assign"]) assert.equal(await page.getByTestId(absent).count(), 0, absent);

  // Nor by a request that no page of ours would make.
  const csrf = await page.locator("[name=csrf]").first().inputValue();
  const send = (form) => page.evaluate(async (form) => {
    const answer = await fetch("/t/default/leaks/decisions", { method: "POST", headers: { accept: "text/html" }, body: new URLSearchParams(form) });
    return [answer.status, await answer.text()];
  }, form);
  const [status, text] = await send({ csrf, action: "close", leaks: "LK-40" });
  assert.equal(status, 403);
  assert.match(text, /Not allowed|role/);
  const [stale] = await send({ csrf: "0".repeat(64), action: "close", leaks: "LK-40" });
  assert.equal(stale, 403);
  assert.equal((await api("GET", "/leaks/40")).status, "open");

  // Who may not add leaks is not given the keys either.
  assert.equal((await page.goto("/t/default/leaks/new")).status(), 403);
  const keys = await page.evaluate(async (csrf) => (await fetch("/t/default/leaks/new/keys", { method: "POST", headers: { "x-csrf-token": csrf } })).status, csrf);
  assert.equal(keys, 403);

  // Another tenant is not there for whoever belongs to one.
  await api("POST", "/tenants", { name: "acme" });
  assert.equal((await page.goto("/t/acme")).status(), 404);
  assert.equal(await page.getByTestId("tenant").count(), 0);
});
