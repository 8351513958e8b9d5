import { api, assert, becomes, isFine, play, signIn } from "./scene.mjs";

const rows = (page) => page.getByTestId("entries").locator("tbody tr");

await play(async (page) => {
  await signIn(page, "ann", "/t/default/audit");
  const { entries, head } = await api("GET", "/audit?limit=50");
  assert.equal(await rows(page).count(), entries.length);
  assert.equal(await page.getByTestId("head").textContent(), head);
  assert.match(await rows(page).first().textContent(), new RegExp(`${entries[0].action}`));
  await page.getByLabel("To which").fill("leak/40");
  await page.getByLabel("To which").press("Enter");
  await page.waitForURL("**/audit?object=leak%2F40");
  await becomes("the list follows", async () => (await rows(page).count()) < 5);
  await rows(page).first().getByText("Show").click();
  await rows(page).first().getByText("apply_virtual_patch").waitFor();
  await isFine(page, "an entry");
  await rows(page).first().getByRole("link", { name: "leak/40" }).click();
  await page.waitForURL("**/leaks/40");

  await page.goto(`/t/default/audit?cursor=${entries[10].number}`);
  assert.equal(await rows(page).count(), entries.length - 11);
  await page.getByRole("link", { name: "Newest" }).click();
  await page.waitForURL("**/audit");
  const download = page.waitForEvent("download");
  await page.getByTestId("csv").click();
  const text = Buffer.concat(await (await (await download).createReadStream()).toArray()).toString();
  assert.equal(text.trim().split("\n").length, 1 + Number(head.split(/[ :]/)[0]));
});
