// SPDX-License-Identifier: MIT

// Package bled is Bluetooth LE by way of bled(8), over D-Bus.
//
//	a, err := bled.Open(ctx)
//	defer a.Close()
//	link, err := a.Dial(ctx, "C0:11:22:33:44:55", bled.Random)
//	c, err := link.Characteristic(ctx, "2a37")
//	values, err := c.Notifications(ctx)
//	for v := range values { ... }
//
// api.go has every method, property and signal of the D-Bus interfaces as they are (see org.bled(5));
// the other files are what programs mostly want. All that is made through an Adapter ends with Close, or
// with the program.
package bled

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/godbus/dbus/v5"
)

// Address types.
const (
	Public uint8 = 0
	Random uint8 = 1
)

// Error is an error of the daemon's. Name is the D-Bus error name, Status the code that it stands for (0:
// none): 1..0xff ATT, 0x100 HCI, 0x200 SMP, 0x300 L2CAP, 0x400 the daemon's own.
type Error struct {
	Name    string
	Status  uint16
	Message string
}

func (e *Error) Error() string { return e.Message }

// Is makes errors.Is(err, bled.Timeout) work: names are compared. What the bus says of a daemon that has gone is
// ErrClosed.
func (e *Error) Is(target error) bool {
	if target == ErrClosed {
		return gone[e.Name]
	}
	t, ok := target.(*Error)
	return ok && t.Name == e.Name
}

var gone = map[string]bool{"org.freedesktop.DBus.Error.ServiceUnknown": true,
	"org.freedesktop.DBus.Error.NameHasNoOwner": true, "org.freedesktop.DBus.Error.NoReply": true}

// Named is an error to compare with: Named("Att.ReadNotPermitted").
func Named(name string) error {
	if !strings.HasPrefix(name, "org.") {
		name = "org.bled.Error." + name
	}
	return &Error{Name: name, Status: errorStatus[name], Message: name}
}

// What programs compare with most.
var (
	NotActive    = Named("NotActive")
	NotConnected = Named("NotConnected")
	NotFound     = Named("NotFound")
	Busy         = Named("Busy")
	Timeout      = Named("Timeout")
	Canceled     = Named("Canceled")
	Disconnected = Named("Disconnected")
)

// ErrClosed is what calls and waits end with when the daemon or the bus has gone, or after Close.
var ErrClosed = errors.New("bled: the daemon or the bus has gone")

func wrap(err error) error {
	var e dbus.Error
	var p *dbus.Error
	if errors.As(err, &p) && p != nil {
		e = *p
	} else if !errors.As(err, &e) {
		if errors.Is(err, dbus.ErrClosed) {
			return ErrClosed
		}
		return err
	}
	text := e.Name
	if len(e.Body) > 0 {
		text = fmt.Sprint(e.Body[0])
	}
	return &Error{Name: e.Name, Status: errorStatus[e.Name], Message: text}
}

// object is one D-Bus object of the daemon's.
type object struct {
	dbus.BusObject
}

func (o object) call(ctx context.Context, method string, out []interface{}, args ...interface{}) error {
	for i, arg := range args {
		if options, ok := arg.(Options); ok && options == nil {
			args[i] = Options{}
		}
	}
	call := o.CallWithContext(ctx, method, 0, args...)
	if call.Err != nil {
		return wrap(call.Err)
	}
	return call.Store(out...)
}

func (o object) get(ctx context.Context, iface, name string, value interface{}) error {
	var v dbus.Variant
	if err := o.call(ctx, "org.freedesktop.DBus.Properties.Get", []interface{}{&v}, iface, name); err != nil {
		return err
	}
	return dbus.Store([]interface{}{v.Value()}, value)
}

func (o object) set(ctx context.Context, iface, name string, value interface{}) error {
	return o.call(ctx, "org.freedesktop.DBus.Properties.Set", nil, iface, name, dbus.MakeVariant(value))
}

// Manager is /org/bled, Connection and LocalCharacteristic are the objects below an adapter's.
type (
	Manager             struct{ object }
	Connection          struct{ object }
	LocalCharacteristic struct{ object }
)

// Adapter is one controller, and our hold on it.
type Adapter struct {
	object
	bus     *dbus.Conn
	name    string
	owner   string // its unique name, once open
	ctx     context.Context
	cancel  context.CancelFunc
	mu      sync.Mutex
	waiters map[*Events]struct{}
	closed  bool
	once    sync.Once
}

const busDaemon = "org.freedesktop.DBus"

type config struct{ address, busName, adapter string }

// Option is one of Open's.
type Option func(*config)

// WithBus is another bus than the system's: "session", or an address.
func WithBus(address string) Option { return func(c *config) { c.address = address } }

// WithBusName is another daemon than org.bled.
func WithBusName(name string) Option { return func(c *config) { c.busName = name } }

// WithAdapter is another adapter than the daemon's first: "hci1".
func WithAdapter(name string) Option { return func(c *config) { c.adapter = name } }

// Open attaches to the daemon and holds the adapter active until Close.
func Open(ctx context.Context, options ...Option) (*Adapter, error) {
	c := config{address: "system", busName: "org.bled"}
	for _, o := range options {
		o(&c)
	}
	// In order, and without a limit: the daemon itself detaches who does not read.
	handler := dbus.WithSignalHandler(dbus.NewSequentialSignalHandler())
	var bus *dbus.Conn
	var err error
	switch c.address {
	case "system":
		bus, err = dbus.ConnectSystemBus(handler)
	case "session":
		bus, err = dbus.ConnectSessionBus(handler)
	default:
		bus, err = dbus.Connect(c.address, handler)
	}
	if err != nil {
		return nil, err
	}
	a := &Adapter{bus: bus, name: c.busName, waiters: map[*Events]struct{}{}}
	a.ctx, a.cancel = context.WithCancel(context.Background())
	if err = a.open(ctx, c.adapter); err != nil {
		a.cancel()
		bus.Close()
		return nil, err
	}
	return a, nil
}

func (a *Adapter) open(ctx context.Context, adapter string) error {
	path := dbus.ObjectPath("/org/bled/" + adapter)
	if adapter == "" {
		var err error
		if path, err = a.Manager().GetDefaultAdapter(ctx); err != nil {
			return err
		}
	}
	var owner string
	if err := a.bus.BusObject().CallWithContext(ctx, "org.freedesktop.DBus.GetNameOwner", 0, a.name).Store(&owner); err != nil {
		return wrap(err)
	}
	// This daemon, not one that takes its name later: there we would be attached to nothing.
	a.owner = owner
	a.object = object{a.bus.Object(owner, path)}
	err := a.bus.AddMatchSignalContext(ctx, dbus.WithMatchSender(owner), dbus.WithMatchObjectPath(path))
	if err == nil {
		err = a.bus.AddMatchSignalContext(ctx, dbus.WithMatchSender(busDaemon),
			dbus.WithMatchMember("NameOwnerChanged"), dbus.WithMatchArg(0, a.name))
	}
	if err != nil {
		return wrap(err)
	}
	signals := make(chan *dbus.Signal, 64)
	a.bus.Signal(signals)
	go a.dispatch(owner, path, signals)
	return a.Attach(ctx, Options{"active": dbus.MakeVariant(true)})
}

// Manager is the daemon's own object.
func (a *Adapter) Manager() *Manager {
	return &Manager{object{a.bus.Object(a.destination(), "/org/bled")}}
}

func (a *Adapter) destination() string {
	if a.owner != "" {
		return a.owner
	}
	return a.name
}

// Connection is the object of a connection.
func (a *Adapter) Connection(conn uint16) *Connection {
	return &Connection{object{a.bus.Object(a.destination(), dbus.ObjectPath(fmt.Sprintf("%s/conn%04x", a.Path(), conn)))}}
}

// LocalCharacteristic is the object of a local characteristic, by its value's handle.
func (a *Adapter) LocalCharacteristic(handle uint16) *LocalCharacteristic {
	return &LocalCharacteristic{object{a.bus.Object(a.destination(), dbus.ObjectPath(fmt.Sprintf("%s/char%04x", a.Path(), handle)))}}
}

// Close ends all that was made through it, and calls that are under way with ErrClosed. A second time it does nothing.
func (a *Adapter) Close() (err error) {
	a.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		if a.ctx.Err() == nil {
			err = a.Detach(ctx)
		}
		if cerr := a.bus.Close(); err == nil {
			err = cerr
		}
		a.end()
	})
	return err
}

// Done is closed when the daemon or the bus has gone, or Close was called.
func (a *Adapter) Done() <-chan struct{} { return a.ctx.Done() }

func (a *Adapter) end() {
	a.cancel()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
	for w := range a.waiters {
		w.queue.close()
	}
	a.waiters = map[*Events]struct{}{}
}
