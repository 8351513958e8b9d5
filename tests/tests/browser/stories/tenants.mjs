import { assert, at, play, signIn } from "./scene.mjs";

await play(async (page) => {
  await signIn(page, "root", "/t/default/leaks?status=open");
  await page.getByTestId("tenant").click();
  await page.getByRole("link", { name: /Acme Corporation/ }).click();
  await page.waitForURL("**/t/acme");
  await page.getByRole("link", { name: "Leaks", exact: true }).click();
  assert.equal(at(page), "/t/acme/leaks", "one stays there");
  await page.getByText("There are no leaks yet").waitFor();
  await page.getByTestId("tenant").click();
  await page.keyboard.press("Escape");
  assert.ok(await page.getByRole("link", { name: /Acme Corporation/ }).isHidden());
});
