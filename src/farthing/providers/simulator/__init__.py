"""A provider that invents its answers: same protocols, same bills, no network, plainly labelled.

Read `simulator.py` first: a request in, a Script out. `transport.py` plays scripts in process,
`asgi.py` over sockets.
"""
