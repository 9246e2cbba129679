import Anthropic from '@anthropic-ai/sdk'
import OpenAI, { type APIError } from 'openai'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { TestRelay } from '../support/relay.js'
import { type StoredScene, withProviders } from '../support/stored-scene.js'

function clientOf(relay: TestRelay, key = relay.key): OpenAI {
  return new OpenAI({ baseURL: relay.url, apiKey: key, maxRetries: 0 })
}

/** Prompt tokens, where a record has them, of so many records. */
async function promptsOf({ relay }: StoredScene, count: number): Promise<unknown[]> {
  return (await relay.records(count)).map(({ prompt_tokens: prompt }) => prompt)
}

test('a response in the background is polled until it is done, and billed then', () =>
  withProviders(async (scene) => {
    const client = clientOf(scene.relay)
    let response = await client.responses.create({ model: 'm', input: 'hi', background: true })
    let polls = 0
    while (response.status === 'in_progress' || response.status === 'queued') {
      response = await client.responses.retrieve(response.id)
      polls++
    }
    assert.is(response.status, 'completed')
    assert.is(polls, 2)
    await client.responses.retrieve(response.id)
    const usage = response.usage?.input_tokens
    assert.equal(await promptsOf(scene, 4), [null, null, usage, null])
  }))

test('a response in the background is streamed on from where its stream broke off', () =>
  withProviders(async (scene) => {
    const client = clientOf(scene.relay)
    let id = ''
    const request = { model: 'm', input: 'hi', background: true, stream: true } as const
    for await (const event of await client.responses.create(request))
      if (event.type === 'response.created') id = event.response.id
    const types: string[] = []
    for (let i = 0; i < 2; i++)
      for await (const event of await client.responses.retrieve(id, { stream: true, starting_after: 0 }))
        types.push(event.type)
    assert.is(types.at(-1), 'response.completed')
    const [made] = scene.first.kept.values()
    assert.equal(await promptsOf(scene, 3), [null, null, made?.prompt])
  }))

test('the official clients see an object of another team as one that does not exist', () =>
  withProviders(async ({ relay, otherKey }) => {
    const client = clientOf(relay)
    const other = clientOf(relay, otherKey)
    const { id } = await client.responses.create({ model: 'm', input: 'hi' })
    const failures = [
      await failure(other.responses.retrieve(id)),
      await failure(other.responses.cancel(id)),
      await failure(other.responses.delete(id)),
    ]
    for (const error of failures) {
      assert.instance(error, OpenAI.NotFoundError)
      assert.is((error as APIError).message, `404 Response with id '${id}' not found.`)
    }
    const follow = await failure(
      other.responses.create({ model: 'm', input: 'hi', previous_response_id: id }),
    )
    assert.instance(follow, OpenAI.BadRequestError)
    assert.is((follow as APIError).code, 'previous_response_not_found')
    assert.is((await client.responses.retrieve(id)).id, id)
    await client.responses.delete(id)
    assert.instance(await failure(client.responses.retrieve(id)), OpenAI.NotFoundError)
  }))

test("Anthropic's client sees a message batch of another team as one that does not exist", () =>
  withProviders(async ({ relay, otherKey, first }) => {
    const clientOf = (apiKey: string) =>
      new Anthropic({ baseURL: relay.url.replace('/v1', ''), apiKey, maxRetries: 0 })
    const { id } = await clientOf(relay.key).messages.batches.create({ requests: [] })
    const error = await failure(clientOf(otherKey).messages.batches.retrieve(id))
    assert.instance(error, Anthropic.NotFoundError)
    assert.is((await clientOf(relay.key).messages.batches.retrieve(id)).id, id)
    assert.equal(first.asked, ['POST /messages/batches', `GET /messages/batches/${id}`])
  }))

test('a batch is polled until it is done, and billed then', () =>
  withProviders(async (scene) => {
    const client = clientOf(scene.relay)
    let batch = await client.batches.create({
      input_file_id: 'file-1',
      endpoint: '/v1/responses',
      completion_window: '24h',
    })
    for (let i = 0; i < 3; i++) batch = await client.batches.retrieve(batch.id)
    assert.is(batch.status, 'completed')
    const [made] = scene.first.kept.values()
    assert.equal(await promptsOf(scene, 4), [null, null, made?.prompt, null])
  }))

async function failure(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => null,
    (error: unknown) => error,
  )
}

test.run()
