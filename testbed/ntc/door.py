"""An SSH server for one user whose shell is a program on a pseudo-terminal, as sshd with ForceCommand makes it."""

import fcntl
import os
import pty
import select
import socket
import struct
import subprocess
import termios
import threading

import paramiko

USER, PASSWORD = "operator", "a secret of this test"


class Door(paramiko.ServerInterface):
    """Who may come in, and what for: the user of this test, for a shell."""

    def __init__(self):
        self.terminal = ("dumb", 80, 24)
        self.shell = threading.Event()

    def get_allowed_auths(self, username):
        return "password"

    def check_auth_password(self, username, password):
        return paramiko.AUTH_SUCCESSFUL if (username, password) == (USER, PASSWORD) else paramiko.AUTH_FAILED

    def check_channel_request(self, kind, chanid):
        return paramiko.OPEN_SUCCEEDED

    def check_channel_pty_request(self, channel, term, width, height, *pixels_and_modes):
        self.terminal = (term.decode(), width, height)
        return True

    def check_channel_shell_request(self, channel):
        self.shell.set()
        return True


def serve(client, key, command):
    """Serves a client until it or the program goes."""
    transport = paramiko.Transport(client)
    transport.add_server_key(key)
    door = Door()
    transport.start_server(server=door)
    channel = transport.accept(60)
    if channel is None or not door.shell.wait(60):
        return transport.close()
    term, width, height = door.terminal
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
    environment = {**os.environ, "TERM": term, "SSH_CONNECTION": "127.0.0.1 1 127.0.0.1 22"}
    program = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True)
    os.close(slave)
    try:
        while True:
            ready, _, _ = select.select([channel, master], [], [])
            if channel in ready:
                typed = channel.recv(4096)
                if not typed:
                    break
                os.write(master, typed)
            if master in ready:
                printed = os.read(master, 4096)
                if not printed:
                    break
                channel.sendall(printed)
    except OSError:
        pass  # One of the two has gone.
    finally:
        os.close(master)
        program.kill()
        program.wait()
        channel.close()
        transport.close()


def open_door(command):
    """Serves clients in the background; returns the port."""
    listener = socket.create_server(("127.0.0.1", 0))
    key = paramiko.ECDSAKey.generate()

    def welcome():
        while True:
            client, _ = listener.accept()
            threading.Thread(target=serve, args=(client, key, command), daemon=True).start()

    threading.Thread(target=welcome, daemon=True).start()
    return listener.getsockname()[1]
