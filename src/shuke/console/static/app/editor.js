/* The editor of the programme: line numbers beside the text, marks on the lines with problems, and a way from a problem to its line. */
(() => {
  const box = document.querySelector('.editor');
  const area = box?.querySelector('textarea');
  const lines = box?.querySelector('[data-lines]');
  if (!area || !lines) return;
  const bad = new Set((box.dataset.bad || '').split(' ').filter(Boolean).map(Number));
  let count = 0;

  function number() {
    const wanted = area.value.split('\n').length;
    if (wanted === count) return;
    count = wanted;
    const rows = [];
    for (let line = 1; line <= count; line += 1) {
      if (bad.has(line)) {
        const mark = document.createElement('mark');
        mark.textContent = line;
        rows.push(mark, '\n');
      } else rows.push(`${line}\n`);
    }
    lines.replaceChildren(...rows);
    follow();
  }
  function follow() {
    lines.scrollTop = area.scrollTop;
  }
  function go(line) {
    const before = area.value.split('\n').slice(0, line - 1);
    const start = before.reduce((sum, each) => sum + each.length + 1, 0);
    const end = area.value.indexOf('\n', start);
    const height = parseFloat(getComputedStyle(area).lineHeight);
    area.focus();
    area.setSelectionRange(start, end < 0 ? area.value.length : end);
    area.scrollTop = Math.max(0, (line - 6) * height);
    follow();
  }

  area.addEventListener('input', number);
  area.addEventListener('scroll', follow);
  document.addEventListener('click', (event) => {
    const target = event.target.closest('[data-goto]');
    if (target) go(Number(target.dataset.goto));
  });
  number();
})();
