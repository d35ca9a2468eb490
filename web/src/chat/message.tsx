// One item of a conversation.
import type { ClientToolCall, Item, OutputText, Source, Step, Workflow } from '../shared/chatkit';
import { CopyButton } from '../shared/copy';
import { Icon, IconButton } from '../shared/icons';
import { safeUrl } from '../shared/markdown';
import { Link, Markdown } from '../shared/markdown-view';
import { memo } from '../shared/memo';
import { fullTime, shortTime } from '../shared/time';
import { cutOff, textOf } from './reduce';

interface Props {
  item: Item;
  /** It is still being written. */
  live: boolean;
  rated: 'positive' | 'negative' | undefined;
  rate: (item: string, kind: 'positive' | 'negative') => void;
}

export const Message = memo<Props>(({ item, live, rated, rate }) => {
  switch (item.type) {
    case 'user_message':
      return (
        <article class="entry mine" data-item={item.id} aria-label="You">
          {item.quoted_text && <blockquote class="quoted">{item.quoted_text}</blockquote>}
          <div class="bubble">{textOf(item)}</div>
          <div class="actions">
            <Time at={item.created_at} />
            <CopyButton text={() => textOf(item)} label="Copy message" />
          </div>
        </article>
      );
    case 'assistant_message':
      return (
        <article class="entry answer" data-item={item.id} aria-label="Answer">
          {item.content.map((part, i) => (
            <Part key={i} part={part} live={live && i === item.content.length - 1} />
          ))}
          <div class="actions">
            <CopyButton text={() => textOf(item)} label="Copy answer" />
            <Thumb item={item.id} kind="positive" rated={rated} rate={rate} />
            <Thumb item={item.id} kind="negative" rated={rated} rate={rate} />
            <Time at={item.created_at} />
          </div>
        </article>
      );
    case 'workflow':
      return (
        <div class="entry" data-item={item.id}>
          <WorkflowView workflow={item.workflow} />
        </div>
      );
    case 'task':
      if (cutOff(item)) return <Note item={item} text={cutOff(item)} />;
      return (
        <div class="entry" data-item={item.id}>
          <WorkflowView workflow={{ type: 'custom', tasks: [item.task], expanded: false }} />
        </div>
      );
    case 'client_tool_call':
      return (
        <div class="entry" data-item={item.id}>
          <WorkflowView workflow={{ type: 'custom', tasks: [clientStep(item)], expanded: false }} />
        </div>
      );
    case 'generated_image':
      return <Note item={item} text={item.image ? 'An image was made. This page shows no images.' : 'An image is being made…'} />;
    case 'structured_input':
      return <Note item={item} text={item.inputs.map((i) => i.question ?? '').join(' ') || 'A question that this page cannot show.'} />;
    case 'widget':
      return <Note item={item} text={item.copy_text || 'A card that this page cannot show.'} />;
    default:
      return null; // the end of a turn, or an item of a later protocol
  }
});

function Note({ item, text }: { item: Item; text: string }) {
  return (
    <div class="entry note" data-item={item.id}>
      {text}
    </div>
  );
}

function Part({ part, live }: { part: OutputText; live: boolean }) {
  const sources = part.annotations.map((a) => a.source);
  return (
    <>
      <Markdown text={part.text} open={live} />
      {sources.length > 0 && <Sources sources={sources} />}
    </>
  );
}

function Sources({ sources }: { sources: Source[] }) {
  return (
    <ul class="sources" aria-label="Sources">
      {sources.map((source, i) => {
        const safe = source.url ? safeUrl(source.url) : undefined;
        const title = source.title || source.filename || source.url || 'Source';
        return <li key={i}>{safe ? <Link {...safe} label={title}>{title}</Link> : title}</li>;
      })}
    </ul>
  );
}

function Time({ at }: { at: string }) {
  return (
    <time dateTime={at} title={fullTime(at)}>
      {shortTime(at)}
    </time>
  );
}

function Thumb({ item, kind, rated, rate }: { item: string; kind: 'positive' | 'negative' } & Pick<Props, 'rated' | 'rate'>) {
  const label = kind === 'positive' ? 'Good answer' : 'Bad answer';
  return <IconButton name="thumb" data-kind={kind} label={label} aria-pressed={rated === kind} onClick={() => rate(item, kind)} />;
}

// WorkflowView says in one line what was done; the steps are inside. It never
// opens or closes by itself, so that nothing below it moves.
function WorkflowView({ workflow }: { workflow: Workflow }) {
  const running = workflow.summary === undefined && workflow.tasks.some((t) => t.status_indicator === 'loading');
  const seconds = workflow.summary?.duration ?? 0;
  const text = workflowText(workflow);
  return (
    <details class="steps" data-running={running}>
      <summary>
        <Icon name={running ? 'spark' : workflow.type === 'reasoning' ? 'spark' : 'check'} />
        <span class="steps-text">{text}</span>
        {seconds > 0 && workflow.type !== 'reasoning' && <span class="steps-time">{seconds} s</span>}
        <Icon name="chevron" size={12} />
      </summary>
      <ol>
        {workflow.tasks.map((step, i) => (
          <StepView key={i} step={step} alone={workflow.tasks.length === 1 && stepText(step) === text} />
        ))}
      </ol>
    </details>
  );
}

/** What a workflow has done, in one line. */
export function workflowText(workflow: Workflow): string {
  const { tasks, summary } = workflow;
  if (summary?.title) return summary.title;
  if (workflow.type === 'reasoning') {
    if (!summary) return 'Thinking…';
    return summary.duration && summary.duration > 0 ? `Thought for ${summary.duration} s` : 'Thought for a moment';
  }
  const last = tasks.findLast((t) => t.status_indicator === 'loading');
  if (last) return `${stepText(last)}…`.replace(/…+$/, '…');
  if (tasks.length === 0) return summary ? 'Did nothing' : 'Working…';
  if (tasks.length > 3) return `${stepText(tasks[0]!)} and ${tasks.length - 1} more steps`;
  return tasks.map(stepText).join(' · ');
}

function stepText(step: Step): string {
  return step.title || step.title_query || (step.type === 'web_search' ? 'Searched the web' : step.type === 'thought' ? 'Thought' : 'Step');
}

function StepView({ step, alone }: { step: Step; alone: boolean }) {
  return (
    <li data-state={step.status_indicator ?? 'none'}>
      {!alone && <div class="step-title">{stepText(step)}</div>}
      {step.content && <Markdown text={step.content} />}
      {step.queries && step.queries.length > 0 && <div class="step-queries">{step.queries.join(' · ')}</div>}
      {step.sources && step.sources.length > 0 && <Sources sources={step.sources} />}
      {alone && !step.content && !step.queries?.length && !step.sources?.length && <div class="step-title">Nothing more to tell.</div>}
    </li>
  );
}

function clientStep(call: ClientToolCall): Step {
  const block = (value: unknown) => '```json\n' + JSON.stringify(value, null, 2) + '\n```';
  return {
    type: 'custom',
    title: call.name,
    status_indicator: call.status === 'pending' ? 'loading' : 'complete',
    content: [call.arguments, call.output].filter((v) => v !== undefined && v !== null).map(block).join('\n\n'),
  };
}
