package embedded

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// InUseError says that another server has the data folder. Two writers would each
// believe in their own idea of the log's end, so the second is refused.
type InUseError struct {
	Dir string
	PID int // of the server that has it, 0 when it cannot be told
}

func (e *InUseError) Error() string {
	who := "another process"
	if e.PID != 0 {
		who = fmt.Sprintf("process %d", e.PID)
	}
	return fmt.Sprintf("the data folder %s is in use by %s: stop that server first, or give this one a folder of its own", e.Dir, who)
}

// Lock takes a data folder for a process that puts a log into it, and returns what
// gives it back, or an [*InUseError].
func Lock(dir string) (io.Closer, error) { return lockDir(dir) }

// lockDir takes the lock of a data folder. It is a file of its own: SQLite's locks
// on the database would be lost when any other descriptor of it is closed.
// Closing the file gives the lock back; the file stays, since removing it would
// let two processes lock two files of one name.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "events.lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the data folder: %w", err)
	}
	ok, err := tryLock(f)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", f.Name(), err), f.Close())
	}
	if !ok {
		text, _ := io.ReadAll(io.LimitReader(f, 32)) // only for the message
		pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
		return nil, errors.Join(&InUseError{Dir: dir, PID: pid}, f.Close())
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("write %s: %w", f.Name(), err), f.Close())
	}
	return f, nil
}

// syncDir makes the names of new files durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
