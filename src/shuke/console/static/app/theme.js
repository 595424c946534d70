/* Runs before the first paint, so that no page flashes white. External: the Content-Security-Policy allows no inline script.
   The server writes the preference (light, dark, auto) from the cookie; this resolves "auto" and keeps following the system. */
(() => {
  const root = document.documentElement;
  const system = matchMedia('(prefers-color-scheme: dark)');
  let preference = root.dataset.themePref || 'auto';

  function apply() {
    const theme = preference === 'auto' ? (system.matches ? 'dark' : 'light') : preference;
    root.dataset.theme = theme;
    const meta = document.querySelector('meta[name=theme-color]');
    if (meta) meta.content = theme === 'dark' ? '#131b19' : '#ffffff';
  }

  apply();
  system.addEventListener('change', () => {
    apply();
    document.dispatchEvent(new CustomEvent('shuke:theme'));
  });

  window.shukeTheme = {
    get: () => preference,
    set(next) {
      preference = next;
      root.dataset.themePref = next;
      const secure = location.protocol === 'https:' ? ';secure' : '';
      document.cookie = `shuke_theme=${next};path=/;max-age=31536000;samesite=lax${secure}`;
      apply();
      document.dispatchEvent(new CustomEvent('shuke:theme'));
    },
  };
})();
