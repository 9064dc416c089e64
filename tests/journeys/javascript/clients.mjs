// What the vendors' JavaScript clients do against the gateway: `node clients.mjs BASE KEY`.
// Prints what came of each claim: what the ledger is then asked about, or how it failed.
import assert from "node:assert/strict";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { zodResponseFormat, zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";

const [base, key] = process.argv.slice(2);
const messages = [{ role: "user", content: "Say something short." }];
const small = { model: "sim-small", messages, max_tokens: 30 };
const openai = (more = {}) => new OpenAI({ baseURL: `${base}/v1`, apiKey: key, ...more });
const anthropic = (more = {}) => new Anthropic({ baseURL: base, apiKey: key, ...more });
const Place = z.object({ city: z.string(), country: z.string() });
const city = { type: "object", properties: { city: { type: "string" } } };
const weather = { type: "function", function: { name: "weather", parameters: city } };

async function collected(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return parts;
}

const claims = {
  "chat whole": async () => {
    const { data, response } = await openai().chat.completions.create(small).withResponse();
    assert.ok(data.choices[0].message.content);
    return {
      id: response.headers.get("x-farthing-request-id"),
      cost: response.headers.get("x-farthing-cost-usd"),
      response: data.id,
      input: data.usage.prompt_tokens,
    };
  },
  "chat streamed": async () => {
    const parts = await collected(
      await openai().chat.completions.create({ ...small, stream: true }),
    );
    assert.ok(parts.every((part) => part.choices.length === 1), "no usage was asked for");
    const asked = { ...small, stream: true, stream_options: { include_usage: true } };
    const last = (await collected(await openai().chat.completions.create(asked))).at(-1);
    assert.ok(last.usage.completion_tokens > 0);
    return { response: last.id, output: last.usage.completion_tokens };
  },
  "chat streamed by the helper": async () => {
    const stream = openai().chat.completions.stream(small);
    const whole = await stream.finalChatCompletion();
    assert.ok(whole.choices[0].message.content);
    return { response: whole.id };
  },
  "tools whole and streamed": async () => {
    const asked = { ...small, tools: [weather], tool_choice: "required", max_tokens: 200 };
    const whole = await openai().chat.completions.create(asked);
    assert.equal(whole.choices[0].message.tool_calls[0].function.name, "weather");
    const streamed = await openai().chat.completions.stream(asked).finalChatCompletion();
    const called = streamed.choices[0].message.tool_calls[0].function;
    assert.equal(called.name, "weather");
    JSON.parse(called.arguments);
    return { response: streamed.id };
  },
  "structured output": async () => {
    const format = zodResponseFormat(Place, "place");
    const whole = await openai().chat.completions.parse({
      ...small, max_tokens: 400, response_format: format,
    });
    Place.parse(whole.choices[0].message.parsed);
    const answer = await openai().responses.parse({
      model: "sim-small", input: "Where?", text: { format: zodTextFormat(Place, "place") },
    });
    Place.parse(answer.output_parsed);
    return { response: whole.id };
  },
  "responses whole and streamed": async () => {
    const asked = { model: "sim-small", input: "Hi", max_output_tokens: 40 };
    const whole = await openai().responses.create(asked);
    assert.ok(whole.output_text);
    const events = await collected(await openai().responses.create({ ...asked, stream: true }));
    assert.match(events.at(-1).type, /^response\.(completed|incomplete)$/);
    return { response: events.at(-1).response.id };
  },
  "embeddings and models": async () => {
    // The client asks for base64 by itself and makes numbers of it.
    const found = await openai().embeddings.create({ model: "sim-embed", input: ["one", "two"] });
    assert.equal(found.data.length, 2);
    assert.equal(typeof found.data[0].embedding[0], "number");
    const models = (await collected(openai().models.list())).map((model) => model.id);
    assert.ok(models.includes("sim-small") && models.includes("sim-large"));
    assert.equal((await openai().models.retrieve("sim-small")).id, "sim-small");
    return {};
  },
  "errors": async () => {
    const chat = (client, more) => client.chat.completions.create({ ...small, ...more });
    await assert.rejects(chat(openai(), { model: "no-such-model" }), (error) =>
      error instanceof OpenAI.NotFoundError && error.code === "model_not_found");
    await assert.rejects(chat(openai({ apiKey: "fk_nobody_nothing" }), {}), (error) =>
      error instanceof OpenAI.AuthenticationError && error.code === "invalid_key");
    await assert.rejects(chat(openai(), { n: 1000 }), (error) =>
      error instanceof OpenAI.BadRequestError && error.code === "bad_request");
    return {};
  },
  "retries": async () => {
    const fetched = [];
    const counting = (url, init) => { fetched.push(url); return fetch(url, init); };
    const failing = { headers: { "x-sim-error": "500", "x-farthing-feature": "js-retries" } };
    await assert.rejects(
      openai({ maxRetries: 1, fetch: counting }).chat.completions.create(small, failing),
      OpenAI.InternalServerError,
    );
    assert.equal(fetched.length, 2, "a provider's failure is worth another try");
    const refused = openai({ maxRetries: 2, fetch: counting, apiKey: "fk_nobody_nothing" });
    await assert.rejects(refused.chat.completions.create(small));
    assert.equal(fetched.length, 3, "a wrong key is not");
    return { feature: "js-retries" };
  },
  "a hard budget": async () => {
    const told = [];
    const counting = async (url, init) => {
      const answer = await fetch(url, init);
      told.push(answer.headers.get("x-should-retry"));
      return answer;
    };
    const poor = openai({ apiKey: process.env.POOR_KEY, maxRetries: 2, fetch: counting });
    await assert.rejects(poor.chat.completions.create(small), (error) =>
      error instanceof OpenAI.RateLimitError && error.code === "budget_exhausted");
    assert.deepEqual(told, ["false"], "the client does not try again");
    return {};
  },
  "cancel a whole answer": async () => {
    const leaving = new AbortController();
    setTimeout(() => leaving.abort(), 400);
    const headers = { "x-sim-latency-ms": "1500", "x-farthing-feature": "js-leaving" };
    await assert.rejects(
      openai().chat.completions.create(small, { headers, signal: leaving.signal }),
      OpenAI.APIUserAbortError,
    );
    return { feature: "js-leaving" };
  },
  "cancel a stream": async () => {
    const headers = { "x-sim-chunk-ms": "60", "x-farthing-feature": "js-stream-left" };
    const asked = { ...small, max_tokens: 200, stream: true };
    const stream = await openai().chat.completions.create(asked, { headers });
    let seen = 0;
    for await (const _ of stream) if (++seen === 5) break; // leaving the loop aborts
    assert.ok(stream.controller.signal.aborted);
    return { feature: "js-stream-left" };
  },
  "a time-out": async () => {
    const headers = { "x-sim-latency-ms": "3000", "x-farthing-feature": "js-timeout" };
    await assert.rejects(
      openai({ timeout: 300, maxRetries: 0 }).chat.completions.create(small, { headers }),
      OpenAI.APIConnectionTimeoutError,
    );
    return { feature: "js-timeout" };
  },
  "anthropic messages": async () => {
    const asked = { model: "sim-medium", max_tokens: 50, messages };
    const whole = await anthropic().messages.create(asked);
    assert.ok(whole.content[0].text);
    const streamed = await anthropic().messages.stream(asked).finalMessage();
    const counted = await anthropic().messages.countTokens({ model: "sim-medium", messages });
    assert.ok(counted.input_tokens > 0);
    return { response: streamed.id, output: streamed.usage.output_tokens };
  },
  "anthropic tools and errors": async () => {
    const asked = { model: "sim-medium", max_tokens: 200, messages };
    const tools = [{ name: "weather", input_schema: city }];
    const called = await anthropic().messages.create({
      ...asked, tools, tool_choice: { type: "any" },
    });
    assert.ok(called.content.some((block) => block.type === "tool_use"));
    await assert.rejects(
      anthropic().messages.create({ ...asked, model: "no-such-model" }), Anthropic.NotFoundError,
    );
    await assert.rejects(
      anthropic({ apiKey: "fk_nobody_nothing" }).messages.create(asked),
      Anthropic.AuthenticationError,
    );
    return { response: called.id };
  },
};

const told = {};
for (const [claim, run] of Object.entries(claims)) {
  told[claim] = await run().catch((error) => ({ failed: `${error.stack}` }));
}
console.log(JSON.stringify(told));
