import { useState } from 'preact/hooks'
import type { KeyList, KeyRow } from '../../shapes.js'
import { useApi } from '../asking.js'
import { formatAgo, formatCount, formatMoney } from '../format.js'
import { type PageContext, usePage } from '../page-context.js'
import { AnswerView } from '../parts/answer-view.js'
import { Badge } from '../parts/badge.js'
import { DataTable } from '../parts/data-table.js'
import type { Column } from '../parts/table.js'
import { AddKey, RevokeKey, RotateKey } from './key-orders.js'

type Order = { readonly kind: 'add' } | { readonly kind: 'rotate' | 'revoke'; readonly row: KeyRow }

/** Fewer keys are found by looking. */
const MANY = 20

/** The keys, and for who may do so: adding, rotating and revoking them. */
export function KeysView() {
  const page = usePage()
  const { session } = page
  const [turn, setTurn] = useState(0)
  const [order, setOrder] = useState<Order | null>(null)
  const [done, setDone] = useState<string | null>(null)
  const [wanted, setWanted] = useState('')
  const answer = useApi<KeyList>('/api/keys', 30_000, turn)
  const finish = (message: string | null): void => {
    setOrder(null)
    setDone(message)
    if (message !== null) setTurn(turn + 1)
  }
  return (
    <>
      <p class="below" role="status">
        {done}
      </p>
      <AnswerView answer={answer}>
        {({ keys }) => (
          <DataTable
            title={session.role === 'operator' ? 'Keys' : 'Your key'}
            controls={
              <>
                {keys.length > MANY && (
                  <input
                    type="search"
                    aria-label="Find keys"
                    placeholder="Find"
                    value={wanted}
                    onInput={({ currentTarget }) => setWanted(currentTarget.value)}
                  />
                )}
                {session.mayChangeKeys && (
                  <button type="button" class="primary" onClick={() => setOrder({ kind: 'add' })}>
                    Add a key
                  </button>
                )}
              </>
            }
            columns={columnsOf(page, setOrder)}
            rows={keys.filter((row) => isMeant(row, wanted))}
            keyOf={({ id }) => id}
            empty={wanted === '' ? 'There are no keys yet' : 'No key has that in its id, owner or env'}
            source="/api/keys"
          />
        )}
      </AnswerView>
      {order?.kind === 'add' && <AddKey onDone={finish} />}
      {order?.kind === 'rotate' && <RotateKey row={order.row} onDone={finish} />}
      {order?.kind === 'revoke' && <RevokeKey row={order.row} onDone={finish} />}
    </>
  )
}

/** @param wanted a part of the id, the owner or the env, in any case; empty: all are meant */
function isMeant({ id, team, user, env }: KeyRow, wanted: string): boolean {
  return `${id} ${team}/${user} ${env}`.toLowerCase().includes(wanted.trim().toLowerCase())
}

function columnsOf(
  { session, times, readClock }: PageContext,
  onOrder: (order: Order) => void,
): readonly Column<KeyRow>[] {
  const now = readClock()
  const day = (at: number | null) => (
    <span title={at === null ? '' : times.formatMoment(at)}>{times.formatDay(at)}</span>
  )
  return [
    { name: 'id', label: 'Key', isText: true, value: ({ id }) => id, cell: ({ id }) => <code>{id}</code> },
    {
      name: 'owner',
      label: 'Owner',
      isText: true,
      value: ({ team, user }) => `${team}/${user}`,
      cell: ({ team, user }) => <span class="name">{`${team}/${user}`}</span>,
    },
    {
      name: 'env',
      label: 'Env',
      isText: true,
      isExtra: true,
      value: ({ env }) => env,
      cell: ({ env }) => env,
    },
    {
      name: 'state',
      label: 'State',
      isText: true,
      value: (row) => stateOf(row, now),
      cell: (row) => <State row={row} now={now} />,
    },
    {
      name: 'last',
      label: 'Last used',
      hint: 'In the last 90 days',
      value: ({ lastAt }) => lastAt,
      cell: ({ lastAt }) => (
        <span title={times.formatMoment(lastAt)}>{lastAt === null ? 'never' : formatAgo(lastAt, now)}</span>
      ),
    },
    {
      name: 'expires',
      label: 'Expires',
      value: ({ expiresAt }) => expiresAt,
      cell: ({ expiresAt }) => (expiresAt === null ? 'never' : day(expiresAt)),
    },
    {
      name: 'created',
      label: 'Created',
      isExtra: true,
      value: ({ createdAt }) => createdAt,
      cell: ({ createdAt }) => day(createdAt),
    },
    {
      name: 'requests',
      label: 'This month',
      hint: 'Requests',
      value: ({ monthRequests }) => monthRequests,
      cell: ({ monthRequests }) => formatCount(monthRequests),
    },
    {
      name: 'spend',
      label: 'Spend',
      hint: 'This month',
      value: ({ monthNano }) => monthNano / 1e9,
      cell: ({ monthNano }) => formatMoney(monthNano),
    },
    {
      name: 'limits',
      label: 'Limits',
      isText: true,
      isExtra: true,
      value: (row) => limitsOf(row),
      cell: (row) => (
        <span class="name limits" title={limitsOf(row)}>
          {limitsOf(row)}
        </span>
      ),
    },
    ...(session.mayChangeKeys
      ? [
          {
            name: 'orders',
            label: 'Orders',
            isFixed: true,
            value: () => null,
            cell: (row: KeyRow) => (row.revokedAt === null ? <Orders row={row} onOrder={onOrder} /> : null),
          },
        ]
      : []),
  ]
}

function Orders({ row, onOrder }: { readonly row: KeyRow; readonly onOrder: (order: Order) => void }) {
  return (
    <span class="orders">
      {(['rotate', 'revoke'] as const).map((kind) => (
        <button
          key={kind}
          type="button"
          class="plain"
          aria-label={`${kind} the key ${row.id}`}
          onClick={() => onOrder({ kind, row })}
        >
          {kind === 'rotate' ? 'Rotate' : 'Revoke'}
        </button>
      ))}
    </span>
  )
}

const SOON_MS = 7 * 86_400_000

function stateOf(
  { revokedAt, expiresAt }: KeyRow,
  now: number,
): 'active' | 'revoked' | 'expired' | 'expires soon' {
  if (revokedAt !== null && revokedAt <= now) return 'revoked'
  if (expiresAt === null) return 'active'
  if (expiresAt <= now) return 'expired'
  return expiresAt - now < SOON_MS ? 'expires soon' : 'active'
}

const TONES = { active: 'good', revoked: 'quiet', expired: 'quiet', 'expires soon': 'warn' } as const

function State({ row, now }: { readonly row: KeyRow; readonly now: number }) {
  const state = stateOf(row, now)
  return <Badge tone={TONES[state]}>{state}</Badge>
}

function limitsOf({ models, addresses, rules }: KeyRow): string {
  return [
    ...(models === null ? [] : [models.length === 0 ? 'no model' : models.join(', ')]),
    ...(addresses === null ? [] : [`from ${addresses.join(', ')}`]),
    ...(rules === 0 ? [] : [`${rules} ${rules === 1 ? 'rule' : 'rules'}`]),
  ].join('; ')
}
