/** The parts of a JSON Schema (draft 2020-12) that the config's own schema uses and this folder reads. */
export interface SchemaNode {
  title?: string
  description?: string
  default?: unknown
  deprecated?: boolean
  type?: string | readonly string[]
  enum?: readonly unknown[]
  const?: unknown
  minimum?: number
  maximum?: number
  properties?: Record<string, SchemaNode>
  additionalProperties?: SchemaNode | boolean
  items?: SchemaNode
  anyOf?: readonly SchemaNode[]
  required?: readonly string[]
}
