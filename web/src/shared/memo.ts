import { Component, createElement, type FunctionComponent } from 'preact';

/** Renders a component again only when a prop is another one (what preact/compat has, without the rest of it). */
export function memo<P extends object>(inner: FunctionComponent<P>, same: (a: P, b: P) => boolean = shallow) {
  return class Memo extends Component<P> {
    override shouldComponentUpdate(next: Readonly<P>): boolean {
      return !same(this.props as P, next as P);
    }
    override render() {
      return createElement(inner, this.props as P);
    }
  };
}

function shallow(a: object, b: object): boolean {
  for (const key in b) if (a[key as never] !== b[key as never]) return false;
  return true;
}
