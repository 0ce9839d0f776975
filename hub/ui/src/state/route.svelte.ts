/** Routes by path, so that reloads, bookmarks and the back button work. */
class Route {
  path = $state(location.pathname);

  /** The last path segment: the id on a detail page. */
  get id(): string {
    return this.path.slice(this.path.lastIndexOf('/') + 1);
  }

  go(path: string): void {
    if (path === this.path) return;
    history.pushState(null, '', path);
    this.path = path;
    scrollTo(0, 0);
  }
}

export const route = new Route();
addEventListener('popstate', () => {
  route.path = location.pathname;
});

/** Handles clicks on links without a page load; leaves new tabs to the browser. */
export function follow(event: MouseEvent): void {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey)
    return;
  if (!(event.currentTarget instanceof HTMLAnchorElement)) return;
  event.preventDefault();
  route.go(new URL(event.currentTarget.href).pathname);
}
