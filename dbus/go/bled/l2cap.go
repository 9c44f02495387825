// SPDX-License-Identifier: MIT

package bled

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"

	"github.com/godbus/dbus/v5"
)

// Channel is an L2CAP connection-oriented channel: a Write is an SDU, at most PeerMTU octets; a Read gives one (what
// does not fit into its buffer is lost: OurMTU octets always do). Writes block while the peer gives no credits, and
// what is not read stops the peer. Close sends what was written first.
type Channel struct {
	net.Conn
	ConnNumber, CID, PSM uint16
	OurMTU, PeerMTU      uint16
}

// OpenChannel opens a channel on a PSM of the peer's; mtu is the longest SDU that we take. options are L2cap1.Connect's
// (security, enhanced), and may be nil.
func (l *Link) OpenChannel(ctx context.Context, psm, mtu uint16, options Options) (*Channel, error) {
	cid, ours, theirs, err := l.Adapter.L2capConnect(ctx, l.Conn, psm, mtu, options)
	if err != nil {
		return nil, err
	}
	return l.Adapter.channel(ctx, l.Conn, cid, psm, ours, theirs)
}

func (a *Adapter) channel(ctx context.Context, conn, cid, psm, ours, theirs uint16) (*Channel, error) {
	fd, err := a.acquire(ctx, conn, cid)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), fmt.Sprintf("channel %d of connection %d", cid, conn))
	defer file.Close()
	if err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_PASSCRED, 1); err != nil { // for Read
		return nil, err
	}
	c, err := net.FileConn(file)
	if err != nil {
		return nil, err
	}
	return &Channel{Conn: c, ConnNumber: conn, CID: cid, PSM: psm, OurMTU: ours, PeerMTU: theirs}, nil
}

// acquire does not leave a descriptor behind that comes after ctx has ended; the channel is closed by that.
func (a *Adapter) acquire(ctx context.Context, conn, cid uint16) (dbus.UnixFD, error) {
	type result struct {
		fd  dbus.UnixFD
		err error
	}
	done := make(chan result, 1)
	go func() {
		fd, err := a.Acquire(a.ctx, conn, cid, nil)
		done <- result{fd, err}
	}()
	select {
	case r := <-done:
		return r.fd, r.err
	case <-ctx.Done():
		go func() {
			if r := <-done; r.err == nil {
				syscall.Close(int(r.fd))
			}
		}()
		return -1, ctx.Err()
	}
}

// Write sends one SDU. One that the peer does not take is an error here: bled would close the channel for it.
func (c *Channel) Write(b []byte) (int, error) {
	if len(b) > int(c.PeerMTU) {
		return 0, fmt.Errorf("bled: an SDU of %d octets is over the peer's MTU of %d", len(b), c.PeerMTU)
	}
	return c.Conn.Write(b)
}

// Read gives an SDU, which may be empty: 0 octets and no error. The end is io.EOF.
func (c *Channel) Read(b []byte) (int, error) {
	socket, ok := c.Conn.(*net.UnixConn)
	if !ok {
		return c.Conn.Read(b)
	}
	n, _, flags, _, err := socket.ReadMsgUnix(b, nil)
	if n == 0 && flags&syscall.MSG_CTRUNC != 0 {
		return 0, nil // its sender's credentials found no room, so there was a packet
	}
	if errors.Is(err, io.EOF) {
		err = io.EOF
	}
	return n, err
}

// Listener gives the channels that peers open on a PSM.
type Listener struct {
	a      *Adapter
	psm    uint16
	events *Events
}

// ListenChannel listens on a PSM (128 to 255 are free for use).
func (a *Adapter) ListenChannel(ctx context.Context, psm, mtu uint16, options Options) (*Listener, error) {
	type key struct{ conn, cid uint16 }
	theirs := map[key]bool{}
	events := a.Events(func(e interface{}) bool {
		switch c := e.(type) {
		case *AcceptEvent: // not of channels that are opened from here
			if c.PSM == psm {
				theirs[key{c.Conn, c.CID}] = true
			}
		case *ConnectedEvent:
			k := key{c.Conn, c.CID}
			defer delete(theirs, k)
			return c.PSM == psm && theirs[k]
		}
		return false
	})
	if err := a.Listen(ctx, psm, mtu, options); err != nil {
		events.Stop()
		return nil, err
	}
	return &Listener{a, psm, events}, nil
}

// Accept waits for the next channel. One that has ended meanwhile, with nothing left to be read, is passed over.
func (l *Listener) Accept(ctx context.Context) (*Channel, error) {
	for {
		select {
		case e, ok := <-l.events.C:
			if !ok {
				return nil, ErrClosed
			}
			c := e.(*ConnectedEvent)
			channel, err := l.a.channel(ctx, c.Conn, c.CID, c.PSM, c.OurMTU, c.PeerMTU)
			if errors.Is(err, NotFound) || errors.Is(err, NotConnected) {
				continue
			}
			return channel, err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Close stops listening; channels stay.
func (l *Listener) Close() error {
	defer l.events.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	return l.a.StopListening(ctx, l.psm)
}

// PairOptions for Link.Pair. Ask is called when a person must act: action is 2 for entering the number that the
// peer shows, 3 for showing one (return it), 4 for comparing (passkey; return 1 for yes).
type PairOptions struct {
	Ask  func(action uint8, passkey uint32) uint32
	More Options
}

// Security is what a link offers after Pair.
type Security struct {
	Encrypted, Authenticated, Bonded bool
	KeySize                          uint8
}

// Pair encrypts the link, with a stored key or by pairing.
func (l *Link) Pair(ctx context.Context, o PairOptions) (s Security, err error) {
	events := l.Adapter.Events(func(e interface{}) bool {
		p, ok := e.(*PasskeyActionEvent)
		return ok && p.Conn == l.Conn
	})
	over := make(chan struct{})
	defer close(over)
	defer events.Stop()
	go func() {
		for e := range events.C {
			p := e.(*PasskeyActionEvent)
			if o.Ask != nil {
				answer := o.Ask(p.Action, p.Passkey)
				select {
				case <-over: // it is an answer to nothing, or to the next pairing's question
					return
				default:
				}
				l.Adapter.quietly(func(c context.Context) error {
					return l.Adapter.Passkey(c, l.Conn, p.Action, answer)
				})
			}
		}
	}()
	options := Options{}
	for k, v := range o.More {
		options[k] = v
	}
	if _, given := options["io"]; !given && o.Ask != nil {
		options["io"] = dbus.MakeVariant(uint8(4))
	}
	s.Encrypted, s.Authenticated, s.Bonded, s.KeySize, err = l.Adapter.Pair(ctx, l.Conn, options)
	return
}
