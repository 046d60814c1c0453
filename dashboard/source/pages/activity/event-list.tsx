/** Events, the newest first. */
import { Component } from 'preact'
import type { LiveEvent } from '../../live/live-event.ts'
import { href } from '../../router/router.ts'
import { clock, timestamp } from '../../ui/format.ts'
import { serviceOfEvent, textOf } from './event-text.ts'
import './activity.css'

interface EventListProps {
  events: readonly LiveEvent[]
  showService: boolean
}

export function EventList({ events, showService }: EventListProps) {
  if (events.length === 0) return <p class="dim">Nothing yet.</p>
  return (
    <ol class={`events${showService ? ' of-all' : ''}`}>
      {events.map((event) => (
        <EventRow key={event.id + event.type} event={event} showService={showService} />
      ))}
    </ol>
  )
}

interface EventRowProps {
  event: LiveEvent
  showService: boolean
}

/** An event never changes: a new one draws only its own row. */
class EventRow extends Component<EventRowProps> {
  override shouldComponentUpdate({ event, showService }: EventRowProps) {
    return event !== this.props.event || showService !== this.props.showService
  }

  override render({ event, showService }: EventRowProps) {
    const { text, detail, tone, jobId } = textOf(event)
    const service = serviceOfEvent(event)
    return (
      <li>
        <time title={`${timestamp(event.at)} UTC`}>{clock(event.at)}</time>
        <span class={`dot ${tone}`} aria-hidden="true" />
        {showService && (
          <span class="service">
            {service === undefined ? (
              <span class="dim">server</span>
            ) : (
              <a href={href(`/services/${encodeURIComponent(service)}`)}>{service}</a>
            )}
          </span>
        )}
        <span class="text">
          {text}
          {jobId !== undefined && (
            <>
              {' '}
              <a href={href(`/jobs/${jobId}`)}>job …{jobId.slice(-6)}</a>
            </>
          )}
          {detail !== undefined && <span class="detail">{detail}</span>}
        </span>
      </li>
    )
  }
}
