import { useEffect } from 'preact/hooks';
import { ConnectionLine, Toasts, TokenGate } from '../shared/dialogs';
import { Icon } from '../shared/icons';
import { changeToken, user } from '../shared/session';
import { Help, Tools } from '../shared/tools';
import { forbidden } from './follow';
import { sessions } from './sessions';
import { Glyph } from './glyph';
import { HealthView } from './health-view';
import { helpOpen, keys } from './keys';
import { LogView } from './log-view';
import { ProjectionsView } from './projections-view';
import { href, place, tabs, type Tab } from './router';
import { StreamView } from './stream-view';
import { TurnView } from './turn-view';

const views: Record<Tab, { label: string; View: () => preact.JSX.Element }> = {
  log: { label: 'Log', View: LogView },
  stream: { label: 'Stream', View: StreamView },
  turn: { label: 'Turn', View: TurnView },
  projections: { label: 'Projections', View: ProjectionsView },
  health: { label: 'Health', View: HealthView },
};

export function App() {
  const { tab } = place.value;
  const { label, View } = views[tab];
  useEffect(() => {
    document.title = `${label} · chatkitd`;
  }, [label]);
  return (
    <>
      <ConnectionLine />
      <div class="operator" data-tab={tab}>
        <Side />
        <main>
          <h1 class="offscreen">chatkitd, {label}</h1>
          {forbidden.value ? <Forbidden /> : <View key={`${tab} ${sessions.value}`} />}
        </main>
      </div>
      <Toasts />
      <Help keys={keys} open={helpOpen} />
      <TokenGate />
    </>
  );
}

function Side() {
  const now = place.value.tab;
  return (
    <header class="side">
      <a class="brand" href="/" title="To the chat">
        <Icon name="spark" /> <b>chatkitd</b>
      </a>
      <nav aria-label="Tabs">
        {tabs.map((tab, i) => (
          <a key={tab} href={href(tab)} aria-current={tab === now ? 'page' : undefined} title={`${views[tab].label} (${i + 1})`}>
            <Glyph name={tab} size={18} />
            <span>{views[tab].label}</span>
          </a>
        ))}
      </nav>
      <div class="who">
        <button type="button" class="who-name" title="Use another token" aria-label={user.value ? `Signed in as ${user.value}. Use another token` : 'Use another token'} onClick={() => void otherToken()}>
          <Glyph name="key" />
          <span class="who-text">{user.value || 'Signing in…'}</span>
        </button>
        <Tools help={helpOpen} />
      </div>
    </header>
  );
}

async function otherToken(): Promise<void> {
  await changeToken();
  forbidden.value = '';
}

function Forbidden() {
  return (
    <section class="pane main" aria-label="Not allowed">
      <div class="nothing" role="alert">
        <Icon name="warn" size={22} />
        <h2>This page is for operators</h2>
        <p>The server says: {forbidden.value}.</p>
        <button type="button" class="small primary" onClick={() => void otherToken()}>
          Use another token
        </button>
      </div>
    </section>
  );
}
