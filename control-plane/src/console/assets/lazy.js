// Charts are drawn when they come into sight: what draws them is loaded then, once.
"use strict";
(() => {
  const { charts, echarts } = document.currentScript.dataset;
  let loading;

  function load(url) {
    return new Promise((loaded, failed) => {
      const script = document.createElement("script");
      Object.assign(script, { src: url, onload: loaded, onerror: failed });
      document.head.append(script);
    });
  }

  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries.filter((entry) => entry.isIntersecting)) {
      seen.unobserve(entry.target);
      loading ??= load(echarts).then(() => load(charts));
      // Without a picture, the table is there.
      loading.then(() => window.stopleak.draw(entry.target), () => entry.target.querySelector("[data-canvas]").remove());
    }
  }, { rootMargin: "200px" });

  window.stopleak.charts = (root) => {
    for (const chart of root.querySelectorAll("[data-chart]")) {
      if (chart.querySelector("[data-canvas]") && !("seen" in chart.dataset)) {
        chart.dataset.seen = "";
        const numbers = chart.querySelector("[data-numbers]");
        const button = chart.querySelector("[data-as-table]");
        if (button) {
          const picture = chart.querySelector("[data-canvas]");
          const show = (asTable) => {
            [numbers.hidden, picture.hidden] = [!asTable, asTable];
            button.textContent = asTable ? "Chart" : "Table";
            button.setAttribute("aria-expanded", String(asTable));
          };
          button.hidden = false;
          button.addEventListener("click", () => show(numbers.hidden));
          show(false);
        }
        seen.observe(chart);
      }
    }
  };
})();
