/** A panel: one part of the page, under its heading. */

import type { ComponentChildren } from 'preact'
import { useId } from 'preact/hooks'

export function Panel(props: { readonly title: string; readonly class: string; readonly children: ComponentChildren }) {
  const id = useId()
  return (
    <section class={`panel ${props.class}`} aria-labelledby={id}>
      <h2 id={id}>{props.title}</h2>
      {props.children}
    </section>
  )
}

/** What may be wider than the page: it scrolls by itself, also by keyboard. */
export function Scrolled(props: { readonly label: string; readonly children: ComponentChildren }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keyboard
    <section class="scrolled" aria-label={props.label} tabIndex={0}>
      {props.children}
    </section>
  )
}
