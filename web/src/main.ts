import { mount } from 'svelte';

import './app.css';
import App from './App.svelte';
import { theme } from './lib/storage';

const chosen = theme.get();
if (chosen !== null) {
  document.documentElement.dataset['theme'] = chosen;
}
const target = document.querySelector('#app');
if (target === null) {
  throw new Error('index.html has no element #app');
}
mount(App, { target });
