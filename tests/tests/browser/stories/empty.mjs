import { isFine, play, signIn } from "./scene.mjs";

await play(async (page) => {
  await signIn(page, "ada");
  await page.getByText("There are no leaks yet.").waitFor();
  await isFine(page, "an empty overview");
  await page.goto("/t/default/leaks");
  await page.getByText("There are no leaks yet.").waitFor();
  await isFine(page, "an empty list");
  await page.goto("/t/default/leaks?risk=low");
  await page.getByText("No leak meets these conditions.").waitFor();
});
