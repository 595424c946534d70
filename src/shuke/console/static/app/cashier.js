/* The cashier's desk by keyboard and scanner. Scans are sent one after the other, so that fast hands lose none; everything
   else is plain htmx. The server says after each step what comes next: {"desk": {"focus": id, "into": id, "text": …}}. */
(() => {
  const byId = (id) => document.getElementById(id);
  const desk = byId('desk');
  let busy = 0;
  let waiting = [];

  document.querySelector('[data-print]')?.addEventListener('click', () => print());

  document.addEventListener('htmx:beforeRequest', () => { busy += 1; });
  document.addEventListener('htmx:afterRequest', () => { busy = Math.max(0, busy - 1); });
  // An answer of the server, of whatever kind, has redrawn the desk: run what waited for it.
  const whenIdle = (work) => {
    if (busy === 0) return work();
    setTimeout(() => whenIdle(work), 20);
  };

  function focus(id) {
    const field = byId(id);
    if (!field || field.disabled) return false;
    field.focus();
    if (field.select) field.select();
    return true;
  }

  // ---- the queue of scans
  async function drain() {
    while (waiting.length) {
      const { form, text } = waiting[0];
      await window.htmx.ajax('POST', form.getAttribute('hx-post'), { source: form, values: { text }, target: '#desk', swap: 'none' })
        .catch(() => {});
      waiting = waiting.slice(1);
    }
  }
  document.addEventListener('submit', (event) => {
    const form = event.target.closest('[data-queue]');
    if (!form) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    const field = form.querySelector('input');
    const text = field.value.trim();
    if (!text) return;
    field.value = '';
    waiting.push({ form, text });
    if (waiting.length === 1) drain();
  }, true);

  // A refused text comes back to its field, unless the next one has been begun there.
  document.addEventListener('desk', (event) => {
    const { focus: next, into, text } = event.detail;
    const field = byId(into);
    if (text && field && !field.value && waiting.length <= 1) field.value = text;
    for (const id of ['scan', 'member']) {
      byId(id)?.setAttribute('aria-invalid', String(Boolean(byId(`${id}-error`)?.textContent.trim())));
    }
    const typing = document.activeElement?.matches?.('#scan, #member') && document.activeElement.value && !text;
    if (next && !typing) focus(next);
  });

  // A connection that failed must not swallow what was scanned.
  document.addEventListener('htmx:sendError', (event) => {
    const form = event.target.closest?.('[data-queue]');
    const field = form?.querySelector('input');
    if (field && !field.value && waiting.length) field.value = waiting[0].text;
  });

  // What is being typed elsewhere survives the redrawing of its part.
  let typed = null;
  document.addEventListener('htmx:beforeSwap', (event) => {
    const field = document.activeElement;
    const own = event.detail.requestConfig?.elt;
    const dirty = field?.matches?.('#desk input') && field.id && field.value !== field.defaultValue;
    typed = dirty && field.form !== own && !own?.contains(field) ? { id: field.id, value: field.value } : null;
  });
  document.addEventListener('htmx:afterSwap', () => {
    const field = typed && byId(typed.id);
    if (field && field.value !== typed.value) field.value = typed.value;
    typed = null;
  });

  // ---- what was typed of the part goes along to the desk, worked out or not
  document.addEventListener('submit', (event) => {
    if (event.target.id !== 'exchange') return;
    for (const field of byId('part').elements) {
      const kept = field.name && event.target.elements[field.name];
      if (kept) kept.value = field.value;
    }
  });

  // ---- a part that was typed is worked out before anything is given back; on the window, before the question is asked
  window.addEventListener('submit', (event) => {
    const part = byId('part');
    if (event.target.id !== 'give-back' || !part) return;
    if (![...part.elements].some((field) => field.name && field.value !== field.defaultValue)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    part.requestSubmit();
  }, true);

  // ---- the commit never overtakes a change that is still on its way
  document.addEventListener('submit', (event) => {
    if (!event.target.matches('[data-commit]') || busy === 0) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    whenIdle(() => focus('commit'));
  }, true);

  // A part just redrawn listens a moment later: a form sent in between is sent again, never as a plain page.
  document.addEventListener('submit', (event) => {
    const { target: form, submitter } = event;
    if (event.defaultPrevented || !window.htmx || !form.matches('#desk form[hx-post]')) return;
    event.preventDefault();
    setTimeout(() => form.isConnected && form.requestSubmit(submitter || undefined), 20);
  });

  function confirmSale() {
    const field = document.activeElement;
    // An exchange asks why, and sometimes for a signature: first to what is missing.
    const missing = ['reason', 'approver', 'approver_password'].find((id) => byId(id)?.value.trim() === '');
    if (missing && byId('commit')?.disabled === false) return focus(missing);
    if (field?.matches?.('#desk input:not(#scan, #member, #coupon, [form])') && field.value !== field.defaultValue) {
      // The amount will change: show it first, the next press confirms it.
      field.blur();
      return whenIdle(() => focus('commit'));
    }
    whenIdle(() => byId('commit')?.click());
  }

  const lastQuantity = () => {
    const all = document.querySelectorAll('[name=quantity][data-line]');
    if (all.length) focus(all[all.length - 1].id);
  };

  function back() {
    document.querySelectorAll('.desk-list[data-arrows]').forEach((list) => list.remove());
    for (const id of ['scan', 'member']) {
      const field = byId(id);
      if (field) field.value = '';
      if (byId(`${id}-error`)) byId(`${id}-error`).textContent = '';
      field?.setAttribute('aria-invalid', 'false');
    }
    if (document.querySelector('.desk-new')) document.querySelector('.desk-new').remove();
    focus('scan');
  }
  document.addEventListener('click', (event) => event.target.closest('[data-desk-back]') && back());

  const keys = {
    F1: () => byId('desk-keys')?.showModal(),
    F2: () => focus('member'),
    F3: () => focus('scan'),
    F4: () => focus('points'),
    F6: () => byId('desk-new')?.click(),
    // Stored value first; pressed again, or where there is none, the gift card.
    F7: () => (document.activeElement?.id !== 'stored' && focus('stored')) || focus('gift'),
    F8: lastQuantity,
    F9: confirmSale,
    F10: () => focus('coupon'),
  };

  // The desk keeps the cursor in a field, so that a question mark is typed only where something was typed before it.
  function typing(target) {
    const field = target.closest('input, textarea, select');
    return field && (field.value !== '' || !['scan', 'member'].includes(field.id));
  }

  function arrows(event) {
    const step = event.key === 'ArrowDown' ? 1 : -1;
    const list = event.target.closest('[data-arrows]');
    if (list) {
      const rows = [...list.querySelectorAll('button')];
      rows[(rows.indexOf(document.activeElement) + step + rows.length) % rows.length]?.focus();
      return true;
    }
    if (event.target.matches('[data-line]')) {
      const rows = [...document.querySelectorAll('[data-line]')];
      const next = rows[rows.indexOf(event.target) + step];
      return focus(next ? next.id : 'scan');
    }
    if (event.target.id === 'scan' && step === 1) {
      // Words that were typed are searched first: the arrow never leaves them behind.
      if (event.target.value.trim()) {
        event.target.form.requestSubmit();
        return true;
      }
      return focus('found-1') || focus('qty-1');
    }
    if (event.target.id === 'member' && step === 1) return focus('pick-1');
    if (event.target.id === 'coupon' && step === 1) return focus(document.querySelector('.desk-coupons button')?.id);
    return false;
  }

  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector('dialog[open]')) return;
    if (!desk) {
      if (event.key === 'F7' && document.querySelector('[data-print]')) {
        event.preventDefault();
        print();
      }
      if (event.key === 'Escape' && byId('next')) byId('next').click();
      const onward = event.key === 'F8' && (byId('to-exchange') || byId('to-refund'));
      if (onward) {
        event.preventDefault();
        onward.click();
      }
      return;
    }
    if (keys[event.key]) {
      event.preventDefault();
      keys[event.key]();
    } else if (event.key === '?' && !typing(event.target)) {
      event.preventDefault();
      keys.F1();
    } else if (event.key === 'Escape' && !event.target.closest('.menu-box')) {
      back();
    } else if ((event.key === 'ArrowDown' || event.key === 'ArrowUp') && arrows(event)) {
      event.preventDefault();
    } else if (event.key === 'Enter' && event.target.matches('[data-line]')) {
      // Leaving the field sends the change.
      event.preventDefault();
      focus('scan');
    } else if (event.key === 'Enter' && ['points', 'stored', 'gift'].includes(event.target.id)) {
      const { id } = event.target;
      event.preventDefault();
      event.target.blur();
      whenIdle(() => byId(id)?.getAttribute('aria-invalid') === 'true' || focus('commit'));
    }
  });
})();
