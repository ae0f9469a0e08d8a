/** The JSON Schema of a rehearsal's file, made from the tables; scenarios/rehearsals/rehearsal.schema.json is this, written down for editors. */
import { componentNames } from '#components/component.ts'
import { connectionName, connectionNames, connections } from '#mesh/connections.ts'
import { nodesOf } from '#mesh/layout.ts'
import { memberRows } from '#mesh/member-rows.ts'
import { type ActionSpec, actions } from './actions.ts'
import { podRow } from './pods.ts'
import { ofMember } from './rows.ts'

type Schema = Record<string, unknown>

/** `a -> b`, and with `*` at either end. */
/** Of a mesh with three members of etcd, too. */
const connectionKeys = (): string[] => {
  const three = nodesOf(3)
  const ofMembers = connections.flatMap(row => memberRows(three, row).map(part => ofMember(three[0]!.name, part)))
  const rows = [...connections, ...ofMembers]
  return [
    ...new Set([
      ...connectionNames,
      ...rows.flatMap(({ from, to }) => [`* -> ${to}`, `${from} -> *`]),
      connectionName(podRow),
      ...ofMembers.map(connectionName),
    ]),
  ]
}

const text = (description: string): Schema => ({ type: 'string', minLength: 1, description })
const object = (properties: Schema, required: readonly string[], description: string): Schema => ({
  type: 'object',
  additionalProperties: false,
  properties,
  ...(required.length > 0 ? { required } : {}),
  description,
})
const list = (items: Schema, description: string): Schema => ({ type: 'array', minItems: 1, items, description })
const oneOrMore = (item: Schema, description: string): Schema => ({
  type: ['string', 'array'],
  if: { type: 'array' },
  // biome-ignore lint/suspicious/noThenProperty: JSON Schema's keyword
  then: { items: item, minItems: 1 },
  else: item,
  description,
})

const actionSchema = ({ kind, description }: ActionSpec): Schema =>
  oneOrMore(
    kind === 'component'
      ? { enum: [...componentNames, ...etcdMembers] }
      : kind === 'pods'
        ? { enum: ['all'] }
        : { type: 'string', minLength: 1 },
    description,
  )

const wrong: Schema = {
  breaks: list({ enum: connectionKeys() }, 'The connections that fail.'),
  at: text('The step after which they fail.'),
  stops: text('The step that cannot be done then.'),
  harmless: text('Nothing breaks now: what the step is for, all the same.'),
  why: text('Why, and what people see.'),
}

const changes = (description: string): Schema => ({
  type: 'object',
  description: `${description} The form is that of \`changes\` in certs/plan.schema.json.`,
})

/** One member of several, by its node; `etcd` is all of them, one after the other. */
const etcdMembers = Array.from({ length: 7 }, (_, i) => `etcd@node-${i + 1}`)

export function rehearsalSchema(): Schema {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $id: 'https://trustplane.dev/schemas/rehearsal.json',
    title: 'trustplane rehearsal',
    ...object(
      {
        title: text('One sentence: what is replaced.'),
        story: text('Why one does it, and what goes wrong when it is done badly.'),
        source: oneOrMore(text('An address.'), 'Where the procedure is described, or where people got it wrong.'),
        given: object(
          {
            plan: text('A plan of certs/, by its name. Left out: kubeadm.'),
            changes: changes('Changes to it.'),
            without: list(
              text('The name of a ClusterRoleBinding.'),
              'ClusterRoleBindings that the cluster does not have yet.',
            ),
          },
          [],
          'What there is before. Left out: as kubeadm makes it.',
        ),
        becomes: changes('What certificates are issued by from then on: changes to the plan.'),
        replaces: list(
          object(
            {
              old: text('An authority, a self-signed certificate, or a key pair of the plan.'),
              new: text('Who takes over. Left out: another of the same name, in the same place.'),
            },
            ['old'],
            'One that is replaced.',
          ),
          'What is replaced. Left out: nothing; certificates are renewed.',
        ),
        steps: list(
          object(
            {
              name: { type: 'string', pattern: '^[a-z][a-z0-9-]*$', description: 'Lower case, digits and hyphens.' },
              does: text('What it does, and what for: one sentence.'),
              source: text('An address.'),
              do: list(
                {
                  ...object(
                    Object.fromEntries(actions.map(action => [action.name, actionSchema(action)])),
                    [],
                    'One action, by its name; what it is done to, one or a list.',
                  ),
                  minProperties: 1,
                  maxProperties: 1,
                },
                'One after the other.',
              ),
              whenSkipped: object(
                wrong,
                [],
                'What happens without this step: `breaks` and `at`, or `stops`, or `harmless`.',
              ),
            },
            ['name', 'does', 'do', 'whenSkipped'],
            'A step.',
          ),
          'In the right order: nothing is lost.',
        ),
        wrongOrders: list(
          object(
            {
              swap: {
                type: 'array',
                minItems: 2,
                maxItems: 2,
                items: { type: 'string', minLength: 1 },
                description: 'Two steps that change places.',
              },
              ...wrong,
            },
            ['swap'],
            'One wrong order, and what it breaks.',
          ),
          'Orders that people take, and should not.',
        ),
      },
      ['title', 'story', 'steps'],
      'A rotation in named steps, each with what it is for and what breaks without it.',
    ),
  }
}
