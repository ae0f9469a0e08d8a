/** Roles and bindings. */
import type { FieldError } from '#kubernetes/status.ts'
import type { Unstructured } from '#kubernetes/types.ts'
import { array, at, text } from '../../columns/values.ts'
import { child, fill, list } from '../defaults.ts'
import type { Strategy } from '../types.ts'

const group = 'rbac.authorization.k8s.io'

function ruleErrors(role: Unstructured): FieldError[] {
  return array(role, 'rules').flatMap((rule, i): FieldError[] => {
    const errors: FieldError[] = []
    if (array(rule, 'verbs').length === 0)
      errors.push({ type: 'required', field: `rules[${i}].verbs`, detail: 'verbs must contain at least one value' })
    if (array(rule, 'nonResourceURLs').length > 0) return errors
    if (!Array.isArray(at(rule, 'apiGroups')))
      errors.push({
        type: 'required',
        field: `rules[${i}].apiGroups`,
        detail: 'resource rules must supply at least one api group',
      })
    if (array(rule, 'resources').length === 0)
      errors.push({
        type: 'required',
        field: `rules[${i}].resources`,
        detail: 'resource rules must supply at least one resource',
      })
    return errors
  })
}

export const rbac = {
  roles: {
    name: 'path',
    defaults(role) {
      if (role.rules === undefined) role.rules = null
    },
    validate: ruleErrors,
  },
  bindings: {
    name: 'path',
    defaults(binding) {
      fill(child(binding, 'roleRef'), { apiGroup: group })
      for (const subject of list(binding.subjects)) {
        if (subject.kind === 'User' || subject.kind === 'Group') fill(subject, { apiGroup: group })
      }
    },
    validate(binding) {
      const kind = text(binding, 'roleRef', 'kind')
      const errors: FieldError[] = []
      if (!['Role', 'ClusterRole'].includes(kind))
        errors.push({
          type: 'notSupported',
          field: 'roleRef.kind',
          value: kind,
          detail: 'supported values: "ClusterRole", "Role"',
        })
      if (text(binding, 'roleRef', 'name') === '') errors.push({ type: 'required', field: 'roleRef.name' })
      return errors
    },
    validateUpdate: (binding, old) =>
      ['apiGroup', 'kind', 'name'].every(f => text(binding, 'roleRef', f) === text(old, 'roleRef', f))
        ? []
        : [{ type: 'invalid', field: 'roleRef', value: binding.roleRef, detail: 'cannot change roleRef' }],
  },
} satisfies Record<string, Strategy>
