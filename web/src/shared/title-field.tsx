import { useEffect, useRef } from 'preact/hooks';

/** A title that is edited in its place: Enter or leaving takes it, Escape does not. */
export function TitleField(props: { label: string; title: string; max: number; onDone: (title: string) => void; onCancel: () => void }) {
  const field = useRef<HTMLInputElement>(null);
  const over = useRef(false);
  useEffect(() => field.current!.select(), []); // and so focuses it
  const done = () => {
    if (over.current) return;
    over.current = true;
    props.onDone(field.current!.value);
  };
  return (
    <input
      ref={field}
      class="inline-field"
      aria-label={props.label}
      defaultValue={props.title}
      maxLength={props.max}
      onBlur={done}
      onKeyDown={(e) => {
        if (e.key === 'Enter') done();
        else if (e.key === 'Escape') {
          e.preventDefault();
          over.current = true;
          props.onCancel();
        }
      }}
    />
  );
}
