/* The programme's forms: when something changed, the draft is taken in and the sample priced again, without losing one's place. */
(() => {
  const form = document.querySelector('form[data-programme]');
  if (!form) return;
  const HERE = /^(refresh|add:|remove:|find:)/;
  let wait = 0;
  let running = null;
  let composing = false;

  /* What stands in the fields. An answer that is older than that must not put its own state in their place. */
  function written() {
    const found = new Map();
    for (const [name, value] of new FormData(form)) found.set(name, [...(found.get(name) || []), value].join('\n'));
    return found;
  }
  function differing(before, now) {
    return [...new Set([...before.keys(), ...now.keys()])].filter((name) => before.get(name) !== now.get(name));
  }

  /* Which parts are folded out, and where the cursor is: by what does not change with the answer. */
  function place(removed) {
    const parts = [...form.querySelectorAll('details')];
    const open = new Map(parts.map((each) => [after(each.dataset.path, removed), each.open]));
    const rolled = [...form.querySelectorAll('[data-keep]')].map((each) => [each.dataset.keep, each.scrollTop]);
    return { open, field: focused(document.activeElement), rolled, x: window.scrollX, y: window.scrollY };
  }
  /* The field with the cursor: several ticks share a name, and the caret stands somewhere in a text. */
  function focused(field) {
    if (!field?.name) return null;
    const caret = typeof field.selectionStart === 'number' && [field.selectionStart, field.selectionEnd];
    return { name: field.name, tick: field.type === 'checkbox' || field.type === 'radio' ? field.value : null, caret };
  }
  function same(each, { name, tick }) {
    return each.name === name && (tick === null || each.value === tick);
  }
  /* What stands behind an item that is taken out of its list moves up by one. */
  function after(path, removed) {
    const [, list, gone] = /^(.*\.)(\d+)$/.exec(removed) || [];
    const [kind, own] = path.startsWith('more ') ? ['more ', path.slice(5)] : ['', path];
    if (!list || !own.startsWith(list)) return path;
    const [number, ...rest] = own.slice(list.length).split('.');
    if (number === gone) return '';
    return Number(number) > Number(gone) ? kind + list + [Number(number) - 1, ...rest].join('.') : path;
  }
  function restore(before) {
    for (const each of form.querySelectorAll('details:not([data-bad])')) {
      each.open = before.open.get(each.dataset.path) ?? each.open;
    }
    const sought = form.querySelector('[autofocus]');
    const field = sought || (before.field && [...form.elements].find((each) => same(each, before.field)));
    field?.focus({ preventScroll: true });
    if (!sought && before.field?.caret) field?.setSelectionRange?.(...before.field.caret);
    for (const [name, top] of before.rolled) {
      const list = form.querySelector(`[data-keep="${name}"]`);
      if (list) list.scrollTop = top;
    }
    window.scrollTo(before.x, before.y);
    sought?.scrollIntoView({ block: 'center' });
  }
  function later(pause = 250) {
    clearTimeout(wait);
    wait = setTimeout(() => take('refresh'), pause);
  }
  /* Text that was typed into fields of the old state goes into those of the new one. */
  function carry(names, now) {
    for (const field of names.flatMap((name) => [...form.elements].filter((each) => each.name === name))) {
      if (field.type === 'checkbox') field.checked = (now.get(field.name) || '').split('\n').includes(field.value);
      else if (field.type !== 'hidden' && !field.readOnly) field.value = now.get(field.name) ?? '';
    }
    if (names.length) later();
  }
  async function take(what) {
    clearTimeout(wait);
    if (composing && what === 'refresh') return;
    running?.abort();
    running = new AbortController();
    const sent = written();
    const data = new FormData(form);
    data.set('do', what);
    try {
      const answer = await fetch(form.action, {
        method: 'POST',
        body: data,
        headers: { 'HX-Request': 'true' },
        signal: running.signal,
      });
      if (!answer.ok && answer.status !== 422) return;
      const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
      const next = page.getElementById('editor');
      if (!next) return;
      const now = written();
      const typed = differing(sent, now);
      if (what === 'refresh' && (composing || typed.length)) return;
      composing = false;
      const before = place(what.startsWith('remove:') ? what.slice(7) : '');
      document.getElementById('editor').replaceWith(document.adoptNode(next));
      restore(before);
      if (!what.startsWith('remove:')) carry(typed, now);
    } catch (error) {
      if (error.name !== 'AbortError') throw error;
    }
  }
  /* A code that is chosen or typed below a list becomes a line of it. */
  function choose(field) {
    const code = field.value.trim();
    const area = document.getElementById(field.dataset.adds);
    if (!code || !area) return;
    const lines = area.value.split('\n').filter((each) => each.trim());
    if (!lines.includes(code)) area.value = [...lines, code].join('\n');
    field.value = '';
    later();
  }
  form.addEventListener('input', (event) => {
    const picked = !event.inputType || event.inputType === 'insertReplacementText';
    if (picked && event.target.matches('[data-adds]')) choose(event.target);
  });
  form.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || !event.target.matches('[data-adds]')) return;
    event.preventDefault();
    choose(event.target);
  });
  form.addEventListener('change', (event) => {
    if (event.target.matches('[data-adds]')) choose(event.target);
    /* A time and a date change part by part, and which part has the cursor nobody can tell. */
    else later(event.target.matches('[type="time"], [type="date"], [type="datetime-local"]') ? 1500 : 250);
  });
  form.addEventListener('compositionstart', () => {
    composing = true;
  });
  form.addEventListener('compositionend', () => {
    composing = false;
    later();
  });
  form.addEventListener('submit', (event) => {
    const what = event.submitter?.name === 'do' ? event.submitter.value : '';
    kept = !HERE.test(what);
    if (kept) return;
    event.preventDefault();
    take(what);
  });

  /* A draft lives in this page only: whoever goes elsewhere with changes is asked. The form's own ways take it along. */
  const first = written();
  let kept = false;
  window.addEventListener('pageshow', () => {
    kept = false;
  });
  window.addEventListener('beforeunload', (event) => {
    const typed = differing(first, written()).some((name) => !name.startsWith('try-') && name !== 'fresh');
    const changed = document.getElementById('editor').hasAttribute('data-changed');
    if (!kept && (typed || changed)) event.preventDefault();
  });
})();
