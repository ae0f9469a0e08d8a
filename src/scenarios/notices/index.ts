/** Every notice, by its name in scenario files. */
import { audit } from './audit.ts'
import { command } from './command.ts'
import { component } from './component.ts'
import { csr } from './csr.ts'
import { event } from './event.ts'
import { lint } from './lint.ts'
import { log } from './log.ts'
import { node } from './node.ts'
import type { NoticeSpec } from './notice.ts'
import { pod } from './pod.ts'
import { request } from './request.ts'

export const notices: readonly NoticeSpec[] = [node, pod, csr, event, component, log, audit, lint, command, request]

export const findNotice = (name: string): NoticeSpec | undefined => notices.find(notice => notice.name === name)
