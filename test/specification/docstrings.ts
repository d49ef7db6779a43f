// Interfaces and what their docstrings say, as TypeScript's own parser reads them.
import { join } from 'node:path'
import { getTextOfJSDocComment, type InterfaceDeclaration, type JSDoc, type Node } from 'typescript/unstable/ast'
import {
  isIdentifier,
  isInterfaceDeclaration,
  isIntersectionTypeNode,
  isPropertySignatureDeclaration,
  isStringLiteral,
  isTypeLiteralNode,
  isTypeReferenceNode,
} from 'typescript/unstable/ast/is'
import { API } from 'typescript/unstable/sync'
import { root } from './sources.ts'

/** A member of an interface. */
export interface Member {
  readonly name: string
  readonly isOptional: boolean
  /** Its docstring on one line, without the tags; empty where there is none. */
  readonly text: string
  /** What follows each tag of the docstring, by the tag's name. */
  readonly tags: Readonly<Record<string, string>>
  /** The names of its own members, where its type is an object written out or one of these interfaces. */
  readonly fields: readonly string[]
}

/** The members of the interfaces in these files, by the name of the interface. */
export function readInterfaces(files: readonly string[]): ReadonlyMap<string, readonly Member[]> {
  const api = new API({ cwd: root })
  try {
    const config = join(root, 'tsconfig.json')
    const program = api.updateSnapshot({ openProjects: [config] }).getProject(config)?.program
    const declared = files.flatMap((file) => interfacesOf(file, program?.getSourceFile(join(root, file))?.statements))
    const membersOf = ({ members }: InterfaceDeclaration) => members.map((member) => memberOf(member, declared))
    return new Map(declared.map((each) => [each.name.text, membersOf(each)]))
  } finally {
    api.close()
  }
}

function interfacesOf(file: string, statements: readonly Node[] = []): readonly InterfaceDeclaration[] {
  const found = statements.filter(isInterfaceDeclaration)
  if (found.length === 0) throw new Error(`TypeScript finds no interface in ${file}`)
  return found
}

function memberOf(node: Node, declared: readonly InterfaceDeclaration[]): Member {
  const docstring = node.jsDoc?.at(-1) as JSDoc | undefined
  return {
    name: nameOf(node),
    isOptional: (node as { readonly postfixToken?: Node }).postfixToken !== undefined,
    text: onOneLine(docstring?.comment),
    tags: Object.fromEntries((docstring?.tags ?? []).map(({ tagName, comment }) => [tagName.text, onOneLine(comment)])),
    fields: isPropertySignatureDeclaration(node) ? fieldsOf(node.type, declared) : [],
  }
}

function fieldsOf(type: Node, declared: readonly InterfaceDeclaration[]): string[] {
  if (isIntersectionTypeNode(type)) return type.types.flatMap((each) => fieldsOf(each, declared))
  if (isTypeLiteralNode(type)) return type.members.map(nameOf)
  const name = isTypeReferenceNode(type) && isIdentifier(type.typeName) ? type.typeName.text : undefined
  return declared.find((each) => each.name.text === name)?.members.map(nameOf) ?? []
}

function nameOf(member: Node): string {
  const { name } = member as { readonly name?: Node }
  return name !== undefined && (isIdentifier(name) || isStringLiteral(name)) ? name.text : ''
}

const onOneLine = (comment: JSDoc['comment'] | undefined): string =>
  (getTextOfJSDocComment(comment) ?? '').replaceAll(/\s*\n\s*/g, ' ').trim()
