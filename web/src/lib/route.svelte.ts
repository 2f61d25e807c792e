/** Where in the page one is: the fragment of the address, so that every address is served by the same file. */

/** A place in the page. */
export type Route =
  | { readonly view: 'home' | 'race' | 'till' | 'network' | 'tv' }
  | { readonly view: 'order'; readonly id: string }
  | { readonly view: 'block'; readonly name: string }
  | { readonly view: 'shop'; readonly id: string }
  | { readonly view: 'customer'; readonly name: string }
  | { readonly view: 'unknown'; readonly text: string };

/** Reads the fragment of an address. */
export function parseRoute(fragment: string): Route {
  const [view = '', ...rest] = fragment.replace(/^#?\/?/, '').split('/');
  let name: string;
  try {
    name = decodeURIComponent(rest.join('/'));
  } catch {
    return { view: 'unknown', text: fragment };
  }
  switch (view) {
    case '':
      return { view: 'home' };
    case 'race':
    case 'till':
    case 'network':
    case 'tv':
      return { view };
    case 'orders':
      return { view: 'order', id: name };
    case 'blocks':
      return { view: 'block', name };
    case 'shops':
      return { view: 'shop', id: name };
    case 'customers':
      return { view: 'customer', name };
    default:
      return { view: 'unknown', text: fragment };
  }
}

/** Addresses within the page. */
export const to = {
  order: (id: string) => `#/orders/${id}`,
  block: (name: string | number) => `#/blocks/${name}`,
  shop: (id: string) => `#/shops/${id}`,
  customer: (name: string) => `#/customers/${encodeURIComponent(name)}`,
};

/** The place one is at. */
export const place = $state<{ route: Route }>({ route: parseRoute(location.hash) });

addEventListener('hashchange', () => {
  place.route = parseRoute(location.hash);
});
