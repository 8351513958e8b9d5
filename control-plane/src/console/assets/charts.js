// Draws charts of the tables beside them: every number and every link is in the table already.
"use strict";
(() => {
  const still = window.matchMedia("(prefers-reduced-motion: reduce)");
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name || "accent"}`).trim();
  const grouped = new Intl.NumberFormat();

  function read(figure) {
    const heads = [...figure.querySelectorAll("thead th")].slice(1);
    const series = heads.map((head) => ({ name: head.textContent.trim(), tone: head.dataset.tone, href: head.dataset.href }));
    const rows = [...figure.querySelectorAll("tbody tr")].map((row) => ({
      name: row.querySelector("th").textContent.trim(),
      tone: row.dataset.tone,
      href: row.querySelector("th a")?.href,
      values: [...row.querySelectorAll("[data-value]")].map((cell) => Number(cell.dataset.value)),
    }));
    return { series, rows };
  }

  const text = () => ({ fontFamily: getComputedStyle(document.body).fontFamily, color: colour("quiet"), fontSize: 12 });
  const tooltip = () => ({
    renderMode: "richText",
    backgroundColor: colour("raised"),
    borderColor: colour("line"),
    textStyle: { ...text(), color: colour("text") },
    valueFormatter: (value) => grouped.format(value),
  });

  function donut({ rows }) {
    return {
      tooltip: { ...tooltip(), trigger: "item", formatter: ({ name, value, percent }) => `${name}: ${grouped.format(value)} (${percent} %)` },
      series: [{
        type: "pie",
        radius: ["58%", "94%"],
        cursor: "pointer",
        label: { show: false },
        itemStyle: { borderColor: colour("surface"), borderWidth: 2, borderRadius: 3 },
        emphasis: { scaleSize: 4 },
        data: rows.filter((row) => row.values[0] > 0).map((row) => ({ name: row.name, value: row.values[0], href: row.href, itemStyle: { color: colour(row.tone) } })),
      }],
    };
  }

  function overTime({ series, rows }, isArea) {
    const axis = { axisLine: { lineStyle: { color: colour("line") } }, axisTick: { show: false }, axisLabel: { ...text(), hideOverlap: true } };
    return {
      grid: { left: 4, right: 12, top: 10, bottom: 4, containLabel: true, outerBoundsMode: "same" },
      tooltip: { ...tooltip(), trigger: "axis" },
      xAxis: { type: "category", data: rows.map((row) => row.name), boundaryGap: !isArea, ...axis },
      yAxis: { type: "value", minInterval: 1, splitLine: { lineStyle: { color: colour("line") } }, axisLabel: { ...text(), formatter: (value) => grouped.format(value) } },
      series: series.map((one, place) => ({
        name: one.name,
        type: isArea ? "line" : "bar",
        stack: "all",
        color: colour(one.tone),
        data: rows.map((row) => row.values[place]),
        ...(isArea
          ? { showSymbol: false, symbolSize: 7, lineStyle: { width: 1.5 }, areaStyle: { opacity: 0.28 }, triggerLineEvent: true }
          : { barMaxWidth: 22, cursor: one.href ? "pointer" : "default" }),
      })),
    };
  }

  function draw(figure) {
    const canvas = figure.querySelector("[data-canvas]");
    const numbers = read(figure);
    const kind = figure.dataset.chart;
    const chart = window.echarts.init(canvas, null, { renderer: "canvas" });
    const renew = () => chart.setOption({
      animation: !still.matches,
      animationDuration: 350,
      textStyle: text(),
      ...(kind === "donut" ? donut(numbers) : overTime(numbers, kind === "area")),
    }, true);
    renew();
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", figure.dataset.summary);
    canvas.dataset.drawn = "";
    chart.on("click", (at) => {
      const href = at.data?.href ?? numbers.series[at.seriesIndex]?.href;
      if (href) window.location.assign(href);
    });
    dark.addEventListener("change", renew);
    new ResizeObserver(() => chart.resize()).observe(canvas);
  }

  window.stopleak.draw = draw;
})();
