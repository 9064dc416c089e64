"""Ask a gateway through LangChain and Pydantic AI; its URL and a key are the arguments."""

from __future__ import annotations

import sys

from langchain_anthropic import ChatAnthropic
from langchain_openai import ChatOpenAI
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider


def main(base: str, key: str) -> None:
    chat = ChatOpenAI(model="sim-small", base_url=f"{base}/v1", api_key=key, max_tokens=20)
    assert chat.invoke("Hi").content
    assert [part.content for part in chat.stream("Hi")]
    claude = ChatAnthropic(model="sim-medium", base_url=base, api_key=key, max_tokens=20)
    assert claude.invoke("Hi").content
    provider = OpenAIProvider(base_url=f"{base}/v1", api_key=key)
    assert Agent(OpenAIChatModel("sim-small", provider=provider)).run_sync("Hi").output


if __name__ == "__main__":
    main(*sys.argv[1:])
