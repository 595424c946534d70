/* The programme's forms: when something changed, the draft is taken in and the sample priced again, without losing one's place. */
(() => {
  const form = document.querySelector('form[data-programme]');
  if (!form) return;
  let wait = 0;
  let running = null;

  /* Which parts are folded out, and where the cursor is: by what does not change with the answer. */
  function place() {
    const open = new Map([...form.querySelectorAll('details')].map((each) => [each.dataset.path, each.open]));
    return { open, id: document.activeElement?.name, x: window.scrollX, y: window.scrollY };
  }
  function restore(before) {
    for (const each of form.querySelectorAll('details')) {
      each.open = before.open.get(each.dataset.path) ?? each.open;
    }
    const field = before.id && [...form.elements].find((each) => each.name === before.id);
    field?.focus({ preventScroll: true });
    window.scrollTo(before.x, before.y);
  }
  async function take() {
    running?.abort();
    running = new AbortController();
    const data = new FormData(form);
    data.set('do', 'refresh');
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
      const before = place();
      document.getElementById('editor').replaceWith(document.adoptNode(next));
      restore(before);
    } catch (error) {
      if (error.name !== 'AbortError') throw error;
    }
  }
  form.addEventListener('change', () => {
    clearTimeout(wait);
    wait = setTimeout(take, 250);
  });
})();
