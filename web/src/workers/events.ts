/** The worker that holds the one stream of events of all tabs. */

import { readEvents, type StreamMessage } from '../api/stream';
import { serveTabs, type Port } from './port';

/** What a tab tells this worker: the token, at the start and when it changes; `bye` when it closes. */
export type ToEvents = { readonly token: string | null } | 'bye';

const tabs = new Set<Port<ToEvents, StreamMessage>>();
let secret: string | null = null;
let isOpen = false;
let reading: AbortController | null = null;

function tell(message: StreamMessage): void {
  if (message.type !== 'event') {
    isOpen = message.type === 'open';
  }
  for (const tab of tabs) {
    tab.post(message);
  }
}

function restart(): void {
  reading?.abort();
  reading = new AbortController();
  void readEvents(() => secret, tell, reading.signal);
}

serveTabs<ToEvents, StreamMessage>((tab) => {
  tab.listen((message) => {
    if (message === 'bye') {
      tabs.delete(tab);
      return;
    }
    tabs.add(tab);
    if (reading === null || message.token !== secret) {
      secret = message.token;
      restart();
    } else if (isOpen) {
      tab.post({ type: 'open' });
    }
  });
});
