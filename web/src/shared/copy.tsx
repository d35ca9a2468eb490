import { useEffect, useState } from 'preact/hooks';
import { IconButton } from './icons';
import { toast } from './toast';

export function CopyButton({ text, label }: { text: () => string; label: string }) {
  const [done, setDone] = useState(false);
  useEffect(() => {
    if (!done) return;
    const timer = setTimeout(() => setDone(false), 1500);
    return () => clearTimeout(timer);
  }, [done]);
  const copy = async () => {
    if (await toClipboard(text())) setDone(true);
    else toast('The browser does not allow copying here.', { tone: 'danger' });
  };
  return <IconButton name={done ? 'check' : 'copy'} label={done ? 'Copied' : label} onClick={copy} />;
}

async function toClipboard(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Over plain HTTP in a local network there is no clipboard interface.
    const area = document.createElement('textarea');
    area.value = text;
    area.className = 'offscreen';
    document.body.append(area);
    area.select();
    const done = document.execCommand('copy');
    area.remove();
    return done;
  }
}
