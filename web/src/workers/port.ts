/**
 * One worker for all tabs of this node, where the browser has shared workers; elsewhere one for each tab. The same code
 * runs in both: it is given a port for every tab.
 */

/** What both ends of a worker speak through. */
export interface Port<In, Out> {
  post(message: Out): void;
  listen(heard: (message: In) => void): void;
}

/** On the worker's side: calls `serve` with a port for every tab that connects. */
export function serveTabs<In, Out>(serve: (port: Port<In, Out>) => void): void {
  const scope = globalThis as unknown as {
    onconnect?: ((event: MessageEvent) => void) | null;
    postMessage?: (message: unknown) => void;
    onmessage?: ((event: MessageEvent) => void) | null;
  };
  if ('onconnect' in scope) {
    scope.onconnect = ({ ports: [port] }) => {
      if (port !== undefined) {
        serve(portOf(port));
      }
    };
  } else {
    serve({
      post: (message) => scope.postMessage?.(message),
      listen(heard) {
        scope.onmessage = (event) => heard(event.data as In);
      },
    });
  }
}

/** A port of a shared worker, from either end. */
export function portOf<In, Out>(port: MessagePort): Port<In, Out> {
  return {
    post: (message) => port.postMessage(message),
    listen(heard) {
      port.onmessage = (event) => heard(event.data as In);
    },
  };
}

/** A worker of this tab alone, from the tab's end. */
export function workerPort<In, Out>(worker: Worker): Port<In, Out> {
  return {
    post: (message) => worker.postMessage(message),
    listen(heard) {
      worker.onmessage = (event) => heard(event.data as In);
    },
  };
}
