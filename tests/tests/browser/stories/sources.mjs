import { api, assert, becomes, isFine, play, scene, signIn } from "./scene.mjs";

await play(async (page) => {
  await signIn(page, "ada", "/t/default/sources");
  await page.getByText("There are no sources yet").waitFor();

  // What cannot be scanned is told beside what was filled in.
  await page.getByLabel("Git address").fill("ext::sh -c date");
  await page.getByRole("button", { name: "Add and scan" }).click();
  await page.getByTestId("wrong").waitFor();
  assert.equal(await page.getByLabel("Git address").inputValue(), "ext::sh -c date");

  // A source is added, and its scan followed to its end.
  await page.getByLabel("Git address").fill(scene.folder);
  await page.getByLabel("Title", { exact: true }).fill("The repository");
  await page.getByRole("button", { name: "Add and scan" }).click();
  await page.waitForURL(/scans\/\d+$/);
  await page.getByTestId("status").getByText("Done").waitFor();
  await page.getByText("1 that no leak had before").waitFor();
  await page.getByRole("heading", { name: "Coverage" }).waitFor();
  await isFine(page, "a scan");
  await page.getByRole("link", { name: "Leaks of this source" }).click();
  assert.equal(await page.getByTestId("count").locator("b").textContent(), "1");

  await page.getByRole("link", { name: "Sources", exact: true }).click();
  const row = page.getByTestId("sources").getByRole("row").filter({ hasText: "The repository" });
  await row.getByRole("link", { name: "Done" }).waitFor();
  await isFine(page, "sources");
  await row.getByRole("button", { name: "Scan now" }).click();
  await page.waitForURL(/scans\/\d+$/);
  await page.getByTestId("status").getByText("Done").waitFor();
  await page.getByText("0 that no leak had before").waitFor();
  const { sources } = await api("GET", "/sources");
  assert.deepEqual(sources.map((source) => source.title), ["The repository"]);
  await page.goto("/t/default/sources?text=no-such");
  await page.getByText("There are no such sources").waitFor();

  // One that cannot be read says why.
  await page.goto("/t/default/sources");
  await page.getByLabel("Git address").fill("https://127.0.0.1:1/nothing.git");
  await page.getByRole("button", { name: "Add and scan" }).click();
  await becomes("it has failed", () => page.getByTestId("status").getByText("Failed").isVisible());
  await page.getByRole("alert").getByText("could not be read").waitFor();
});
