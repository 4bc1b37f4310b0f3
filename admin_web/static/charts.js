// Draws the overview's charts from data attributes, in the theme's colours; again after each renewal and on resize.
"use strict";
(() => {
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const drawn = new Map();

  function ink() {
    return { text: css("--chart-text"), line: css("--chart-line"), granted: css("--chart-granted"), refused: css("--chart-refused") };
  }
  function hours(values, colour) {
    const bar = (name, data, fill, radius) => ({ name, type: "bar", stack: "taps", data, itemStyle: { color: fill, borderRadius: radius }, barMaxWidth: 36 });
    return {
      grid: { left: 8, right: 8, top: 12, bottom: 4, containLabel: true },
      xAxis: { type: "category", data: values.hours, axisTick: { show: false }, axisLine: { lineStyle: { color: colour.line } }, axisLabel: { color: colour.text } },
      yAxis: { type: "value", minInterval: 1, splitLine: { lineStyle: { color: colour.line } }, axisLabel: { color: colour.text } },
      series: [bar(values.granted_name, values.granted, colour.granted, 0), bar(values.refused_name, values.refused, colour.refused, [3, 3, 0, 0])],
    };
  }
  function reasons(values, colour) {
    return {
      grid: { left: 8, right: 40, top: 4, bottom: 4, containLabel: true },
      xAxis: { type: "value", minInterval: 1, show: false },
      yAxis: { type: "category", inverse: true, data: values.names, axisTick: { show: false }, axisLine: { show: false }, axisLabel: { color: colour.text, width: 160, overflow: "truncate" } },
      series: [{ type: "bar", data: values.counts, barMaxWidth: 22, itemStyle: { color: colour.refused, borderRadius: 3 }, label: { show: true, position: "right", color: colour.text } }],
    };
  }
  const shapes = { hours, reasons };

  function draw() {
    for (const [place, chart] of drawn) {
      if (!place.isConnected) { chart.dispose(); drawn.delete(place); }
    }
    for (const place of document.querySelectorAll("[data-chart]")) {
      const isFirst = !drawn.has(place);
      const chart = isFirst ? echarts.init(place) : drawn.get(place);
      drawn.set(place, chart);
      const option = shapes[place.dataset.chart](JSON.parse(place.dataset.values), ink());
      chart.setOption({ animation: false, textStyle: { fontFamily: getComputedStyle(document.body).fontFamily }, ...option });
    }
  }
  addEventListener("resize", () => { for (const chart of drawn.values()) chart.resize(); });
  document.addEventListener("htmx:after:swap", draw);
  new MutationObserver(draw).observe(document.documentElement, { attributes: true, attributeFilter: ["data-bs-theme"] });
  draw();
})();
