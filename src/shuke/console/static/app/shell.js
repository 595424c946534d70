/* What the console's frame needs from a script; everything is declared in the markup with data attributes:
   data-dialog="id"        opens a <dialog>            data-close            closes the dialog around it
   data-open               on a <dialog>: open from the start
   data-confirm="id"       on a form, or on one of its buttons: ask first in that dialog; its [data-yes] button sends the form
   data-theme-set="dark"   chooses light, dark or auto  data-finder          the search field that "/" focuses
   data-copy="text"        copies, then says so (data-copied)               data-reveal="id"  shows or hides a password
   data-sift               filters the rows of the menu around it while typing
   data-autosubmit         on a select: sends its form   data-dismiss         removes the toast around it
   data-guard              on a form: warns before leaving with unsaved changes
   A response may carry HX-Trigger {"toast": {"kind": "ok", "text": "…"}}. */
(() => {
  const root = document.documentElement;

  function toast(kind, text) {
    const box = document.getElementById('toasts');
    const template = document.getElementById('toast-template');
    if (!box || !template || !text) return;
    const row = template.content.firstElementChild.cloneNode(true);
    row.dataset.kind = kind;
    row.querySelector('p').textContent = text;
    const icon = row.querySelector(`[data-icon="${kind}"]`) || row.querySelector('[data-icon="info"]');
    row.querySelectorAll('[data-icon]').forEach((each) => each !== icon && each.remove());
    box.append(row);
    settle(row);
  }

  // Problems stay until they are closed; the rest leaves by itself, but not while pointed at or focused.
  function settle(row) {
    if (row.dataset.kind === 'bad' || row.dataset.kind === 'warn') return;
    const leave = () => (row.matches(':hover, :focus-within') ? setTimeout(leave, 2000) : row.remove());
    setTimeout(leave, 6000);
  }

  const closeMenus = (except) =>
    document.querySelectorAll('details.menu-box[open]').forEach((menu) => menu !== except && (menu.open = false));

  function markTheme() {
    const current = window.shukeTheme?.get();
    document.querySelectorAll('[data-theme-set]').forEach((button) =>
      button.setAttribute('aria-pressed', String(button.dataset.themeSet === current)));
  }

  document.addEventListener('click', (event) => {
    const on = (selector) => event.target.closest(selector);
    closeMenus(on('details.menu-box'));

    const opener = on('[data-dialog]');
    if (opener) document.getElementById(opener.dataset.dialog)?.showModal();
    if (on('[data-close]')) on('[data-close]').closest('dialog')?.close();
    if (event.target.matches('dialog.dlg') && !event.target.hasAttribute('data-stay')) event.target.close();

    const yes = on('[data-yes]');
    if (yes) {
      const dialog = yes.closest('dialog');
      const { form, submitter } = dialog.asking || {};
      dialog.close();
      if (form) {
        form.dataset.confirmed = 'yes';
        form.requestSubmit(submitter || undefined);
      }
    }

    const theme = on('[data-theme-set]');
    if (theme) window.shukeTheme.set(theme.dataset.themeSet);
    if (on('[data-dismiss]')) on('.toast-row')?.remove();

    const copy = on('[data-copy]');
    if (copy) navigator.clipboard?.writeText(copy.dataset.copy).then(() => toast('ok', copy.dataset.copied));

    const reveal = on('[data-reveal]');
    if (reveal) {
      const field = document.getElementById(reveal.dataset.reveal);
      const shown = field.type === 'password';
      field.type = shown ? 'text' : 'password';
      reveal.setAttribute('aria-pressed', String(shown));
      reveal.querySelectorAll('[data-when]').forEach((icon) => (icon.classList.toggle('hidden', (icon.dataset.when === 'shown') !== shown)));
    }
  });

  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') {
      const menu = event.target.closest?.('details.menu-box[open]');
      closeMenus();
      menu?.querySelector('summary').focus();
    }
    const typing = event.target.closest?.('input, textarea, select, [contenteditable]');
    if (event.key === '/' && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      const finder = document.querySelector('[data-finder]');
      if (finder) {
        event.preventDefault();
        finder.focus();
        finder.select();
      }
    }
    const rows = event.target.closest?.('.menu-list');
    if (rows && (event.key === 'ArrowDown' || event.key === 'ArrowUp')) {
      const all = [...rows.querySelectorAll('a, button')];
      const step = event.key === 'ArrowDown' ? 1 : -1;
      all[(all.indexOf(document.activeElement) + step + all.length) % all.length]?.focus();
      event.preventDefault();
    }
  });

  document.addEventListener('submit', (event) => {
    const form = event.target;
    const asks = event.submitter?.dataset.confirm || form.dataset.confirm;
    if (asks && form.dataset.confirmed !== 'yes') {
      const dialog = document.getElementById(asks);
      if (!dialog.open) {
        event.preventDefault();
        event.stopImmediatePropagation();
        dialog.asking = { form, submitter: event.submitter };
        dialog.showModal();
        return;
      }
      dialog.close(); // Enter in a field of the dialog is its yes
    }
    delete form.dataset.confirmed;
    delete form.dataset.dirty;
    // One click, one request: the button that sent the form stays busy until the answer replaces the page.
    if (form.method !== 'dialog' && !form.matches('[hx-post], [hx-get], [data-hx-post]') && event.submitter) {
      setTimeout(() => event.submitter.setAttribute('aria-busy', 'true'));
    }
  }, true);

  document.addEventListener('input', (event) => {
    if (event.target.matches('[data-sift]')) {
      const wanted = event.target.value.trim().toLowerCase();
      event.target.closest('.menu-list').querySelectorAll('.menu-row').forEach((row) =>
        (row.hidden = !row.textContent.toLowerCase().includes(wanted)));
    }
    const form = event.target.closest('form[data-guard]');
    if (form) form.dataset.dirty = 'yes';
  });
  addEventListener('beforeunload', (event) => {
    if (document.querySelector('form[data-guard][data-dirty]')) event.preventDefault();
  });
  // A page restored by the Back button must not keep its buttons busy.
  addEventListener('pageshow', () =>
    document.querySelectorAll('[aria-busy=true]').forEach((each) => each.removeAttribute('aria-busy')));

  document.addEventListener('change', (event) => {
    if (event.target.matches('[data-autosubmit]')) event.target.form.requestSubmit();
  });

  document.addEventListener('htmx:beforeRequest', () => document.body.classList.add('is-waiting'));
  document.addEventListener('htmx:afterRequest', () => document.body.classList.remove('is-waiting'));
  document.addEventListener('htmx:responseError', (event) => {
    const { status } = event.detail.xhr;
    const words = document.body.dataset;
    if (status === 401) return location.reload();
    toast('bad', status === 403 ? words.errorForbidden : status < 500 ? words.errorRequest : words.errorServer);
  });
  document.addEventListener('htmx:sendError', () => toast('bad', document.body.dataset.errorNetwork));
  document.addEventListener('toast', (event) => toast(event.detail.kind || 'info', event.detail.text || event.detail.value));
  // The answer 422 carries the form with its errors: show it like any other.
  document.addEventListener('htmx:beforeSwap', (event) => {
    if (event.detail.xhr.status === 422) {
      event.detail.shouldSwap = true;
      event.detail.isError = false;
    }
  });

  document.addEventListener('shuke:theme', markTheme);
  document.addEventListener('DOMContentLoaded', () => {
    markTheme();
    document.querySelectorAll('.toast-row').forEach(settle);
    // A dialog whose form came back with something wrong stands open again.
    document.querySelector('dialog[data-open]')?.showModal();
    root.dataset.ready = 'yes';
  });
})();
