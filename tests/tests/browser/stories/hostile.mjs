import { assert, isFine, play, signIn } from "./scene.mjs";

await play(async (page) => {
  await signIn(page, "ada", "/t/default/leaks");
  const titles = await page.locator("[data-row] .title").allTextContents();
  assert.equal(titles.length, 6);
  assert.ok(titles.some((title) => title.startsWith("<script>document.title")), "shown as it is");
  assert.ok(titles.some((title) => title.includes("␣202E␣txet")), "what turns the text around is visible");
  assert.match(await page.title(), /^Leaks/);
  assert.equal(await page.locator("[data-row] img, [data-row] script").count(), 0);
  for (const width of [1280, 390]) {
    await page.setViewportSize({ width, height: 900 });
    await isFine(page, `titles at ${width}`);
  }
  const search = page.getByLabel("Part of a title");
  await search.fill("<script>");
  await page.waitForURL("**text=*");
  await page.getByRole("link", { name: /Text <script>/ }).waitFor();
});
