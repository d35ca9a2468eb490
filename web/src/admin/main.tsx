import { render } from 'preact';
import './persona';
import { token } from '../shared/session';
import '../shared/theme';
import '../styles/base.css';
import '../styles/layout.css';
import '../styles/admin.css';
import { App } from './app';
import { listenToKeys } from './keys';

render(<App />, document.getElementById('app')!);
listenToKeys();
void token(); // health asks for none, and still should say who looks
