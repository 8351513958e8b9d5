import { mkdirSync } from "node:fs";
import { isFine, play, scene, signIn } from "./scene.mjs";

const PAGES = { overview: "", leaks: "/leaks", "leaks-filtered": "/leaks?status=open&risk=critical", leak: "/leaks/40", attempts: "/attempts", sources: "/sources", gateways: "/gateways",
  add: "/leaks/new", try: "/try", audit: "/audit", settings: "/settings" };

// Those that the README shows.
const SHOWN = ["overview-light-1280", "leaks-dark-1280", "leak-light-1280", "overview-dark-390"];

await play(async (page) => {
  mkdirSync(scene.seen, { recursive: true });
  await signIn(page, "ada");
  for (const colorScheme of ["light", "dark"]) {
    for (const width of [1280, 390]) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: 900 });
      for (const [name, path] of Object.entries(PAGES)) {
        await page.goto(`/t/default${path}`);
        await isFine(page, `${name}, ${colorScheme}, ${width}`);
        await page.evaluate(() => window.scrollTo(0, 0));
        const picture = `${name}-${colorScheme}-${width}`;
        await page.screenshot({ path: `${scene.seen}/${picture}.png` });
        if (scene.screenshots && SHOWN.includes(picture)) {
          await page.screenshot({ path: `${scene.screenshots}/${picture}.jpg`, type: "jpeg", quality: 72 });
        }
      }
    }
  }
});
