import { api, assert, becomes, isFine, play, signIn } from "./scene.mjs";

await play(async (page) => {
  await signIn(page, "ada", "/t/default/gateways");
  await page.getByText("There are no gateways yet").waitFor();
  await page.getByLabel("Name").fill("edge <1>");
  await page.getByRole("button", { name: "Add a gateway" }).click();
  await page.getByTestId("once").waitFor();
  const { public_key: key } = await api("GET", "/gateways");
  const environment = await page.getByTestId("environment").textContent();
  assert.match(environment, new RegExp(`^export STOPLEAK_CREDENTIAL=slg_\\w+\nexport STOPLEAK_PUBLIC_KEY=${key}\n$`));
  await page.getByText("envoy.yaml", { exact: true }).click();
  assert.match(await page.getByTestId("envoy").textContent(), /address: "127\.0\.0\.1", port_value: \d+ /);
  assert.doesNotMatch(await page.getByTestId("envoy").textContent(), /slg_/, "no credential in a configuration");
  await isFine(page, "a new gateway");

  await page.getByRole("link", { name: "To the gateways" }).click();
  const row = page.getByTestId("gateways").getByRole("row").filter({ hasText: "edge <1>" });
  await row.getByText("Not connected").waitFor();
  assert.doesNotMatch(await page.content(), /slg_/, "it is shown once");
  await page.getByLabel("Name").fill("edge <1>");
  await page.getByRole("button", { name: "Add a gateway" }).click();
  await page.getByTestId("wrong").getByText("of this name already").waitFor();
  await page.getByTestId("gateways").getByRole("button", { name: "Revoke" }).click();
  await becomes("it is revoked", async () => (await api("GET", "/gateways?revoked=true")).gateways.length === 1);
  await page.getByText("There are no gateways yet").waitFor();
});
