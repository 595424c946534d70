/* Declarative charts: <div data-chart="id of a JSON script">. They survive htmx swaps, theme and size changes.
   Tooltips are built here with classes and escaped text, because ECharts' own use style attributes, which the
   Content-Security-Policy forbids. The JSON comes from shuke.console.charts: numbers to draw, and texts formatted by the server. */
(() => {
  const live = new Map();
  const sizes = new ResizeObserver((entries) => entries.forEach((entry) => live.get(entry.target)?.resize()));
  const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const calm = matchMedia('(prefers-reduced-motion: reduce)');
  const compact = new Intl.NumberFormat(document.documentElement.lang, { notation: 'compact', maximumFractionDigits: 1 });
  const escape = (text) => String(text).replace(/[&<>"']/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }[c]));
  const colour = (number) => token(`--c${(number - 1) % 8 + 1}`);

  const roundUp = (value) => {
    const step = 10 ** Math.floor(Math.log10(Math.max(value, 1))) / 2;
    return Math.ceil(value / step) * step || 1;
  };

  function base() {
    const fontFamily = getComputedStyle(document.body).fontFamily;
    return {
      animation: !calm.matches,
      animationDuration: 400,
      textStyle: { fontFamily, color: token('--ink-2'), fontSize: 12 },
      aria: { enabled: false },
      tooltip: {
        className: 'ectip', confine: true, backgroundColor: token('--surface'), borderColor: token('--line'), borderWidth: 1,
        padding: [8, 12], textStyle: { fontFamily, color: token('--ink'), fontSize: 13 }, extraCssText: '',
      },
    };
  }

  const row = (name, text, attribute) =>
    `<div class="ectip-row"><span class="ectip-key"><span class="dot" ${attribute}></span>${escape(name)}</span><b>${escape(text)}</b></div>`;

  const kinds = {
    trend(data) {
      const options = base();
      const second = data.series.some((each) => each.axis === 1);
      options.grid = { left: 4, right: second ? 4 : 12, top: 34, bottom: 2, outerBoundsMode: 'same', outerBoundsContain: 'axisLabel' };
      options.legend = {
        show: data.series.length > 1, top: 0, left: 0, itemWidth: 10, itemHeight: 10, icon: 'roundRect', itemGap: 18, type: 'plain',
        textStyle: { color: token('--ink-2'), fontSize: 12 },
      };
      if (data.series.length === 1) options.grid.top = 10;
      options.tooltip = {
        ...options.tooltip, trigger: 'axis',
        axisPointer: { type: 'line', lineStyle: { color: token('--line-strong') } },
        formatter: (points) => `<b>${escape(data.labels[points[0].dataIndex])}</b>` + points.map((point) => {
          const series = data.series[point.seriesIndex];
          return row(series.name, series.text[point.dataIndex], `data-c="${series.colour}"`);
        }).join(''),
      };
      options.xAxis = {
        type: 'category', data: data.labels, axisTick: { show: false }, axisLine: { lineStyle: { color: token('--line') } },
        axisLabel: { color: token('--ink-3'), hideOverlap: true, fontSize: 11 },
      };
      const axis = {
        type: 'value', splitNumber: 4, splitLine: { lineStyle: { color: token('--line'), type: [3, 4] } },
        axisLabel: { color: token('--ink-3'), fontSize: 11, formatter: (value) => compact.format(value) },
      };
      options.yAxis = [axis, { ...axis, show: second, splitLine: { show: false } }];
      // Bars on the second axis stay in the lower half, under the line they accompany.
      if (second) options.yAxis[1].max = (range) => roundUp(range.max * 2.2);
      options.series = data.series.map((each) => each.type === 'bar'
        ? { name: each.name, type: 'bar', yAxisIndex: each.axis, data: each.data, stack: each.stack || undefined, barMaxWidth: second ? 9 : 22,
            itemStyle: { borderRadius: [3, 3, 0, 0], opacity: second ? 0.5 : 0.9 }, color: colour(each.colour) }
        : { name: each.name, type: 'line', yAxisIndex: each.axis, data: each.data, smooth: 0.3, smoothMonotone: 'x', z: 3, color: colour(each.colour),
            showSymbol: each.data.length < 2, symbolSize: 6, lineStyle: { width: 2.25, type: each.dashed ? [4, 4] : 'solid' },
            areaStyle: each.area ? { color: { type: 'linear', x: 0, y: 0, x2: 0, y2: 1,
              colorStops: [{ offset: 0, color: `${colour(each.colour)}38` }, { offset: 1, color: `${colour(each.colour)}00` }] } } : undefined });
      return options;
    },

    ranking(data) {
      const options = base();
      options.grid = { left: 4, right: 56, top: 4, bottom: 2, outerBoundsMode: 'same', outerBoundsContain: 'axisLabel' };
      options.tooltip = { ...options.tooltip, trigger: 'item',
        formatter: (point) => row(data.labels[point.dataIndex], data.text[point.dataIndex], 'data-c="1"') };
      options.xAxis = { type: 'value', show: false };
      options.yAxis = { type: 'category', inverse: true, data: data.labels, axisTick: { show: false }, axisLine: { show: false },
        axisLabel: { color: token('--ink-2'), fontSize: 12, width: 120, overflow: 'truncate' } };
      options.series = [{ type: 'bar', data: data.data, barMaxWidth: 16, color: colour(1), itemStyle: { borderRadius: [0, 4, 4, 0] },
        label: { show: true, position: 'right', color: token('--ink'), fontSize: 12, formatter: (point) => data.text[point.dataIndex] } }];
      return options;
    },

    share(data) {
      const options = base();
      const fill = (part, index) => (part.tier === null ? colour(index + 1) : token(`--t${part.tier}`));
      const mark = (part, index) => (part.tier === null ? `data-c="${index % 8 + 1}"` : `data-tier="${part.tier}"`);
      options.tooltip = { ...options.tooltip, trigger: 'item', formatter: (point) => {
        const part = data.parts[point.dataIndex];
        return row(part.name, `${part.text} · ${part.share}`, mark(part, point.dataIndex));
      } };
      options.title = { text: data.total, subtext: data.caption, left: 'center', top: '36%', itemGap: 4,
        textStyle: { fontSize: 20, fontWeight: 700, color: token('--ink') }, subtextStyle: { fontSize: 12, color: token('--ink-2') } };
      options.series = [{ type: 'pie', radius: ['64%', '88%'], padAngle: 2, itemStyle: { borderRadius: 4 }, label: { show: false },
        emphasis: { scaleSize: 4 }, data: data.parts.map((part, index) => ({ name: part.name, value: part.value, itemStyle: { color: fill(part, index) } })) }];
      return options;
    },
  };

  function mount(element) {
    if (live.has(element) || !window.echarts) return;
    const source = document.getElementById(element.dataset.chart);
    if (!source) return;
    const data = JSON.parse(source.textContent);
    const chart = window.echarts.init(element, null, { renderer: 'canvas' });
    chart.setOption(kinds[data.kind](data));
    chart.shukeData = data;
    live.set(element, chart);
    sizes.observe(element);
  }
  function unmount(element) {
    const chart = live.get(element);
    if (!chart) return;
    sizes.unobserve(element);
    chart.dispose();
    live.delete(element);
  }
  const within = (node, act) => {
    if (node.matches?.('[data-chart]')) act(node);
    node.querySelectorAll?.('[data-chart]').forEach(act);
  };

  addEventListener('DOMContentLoaded', () => within(document, mount));
  document.addEventListener('htmx:load', (event) => within(event.detail.elt, mount));
  document.addEventListener('htmx:beforeCleanupElement', (event) => within(event.detail.elt, unmount));
  document.addEventListener('shuke:theme', () =>
    live.forEach((chart) => chart.setOption(kinds[chart.shukeData.kind](chart.shukeData), { notMerge: true })));
})();
