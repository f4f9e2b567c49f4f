package split

import (
	"archive/tar"
	"bufio"
	"errors"
	"io"
)

// tarMagic is where "ustar" stands in an archive.
const tarMagic = 257

// files reads the files of an archive, one after the other; positions go on
// from one to the next.
type files struct {
	*splitter
	src    *source
	layers int
	outer  *Head
	first  error // what is wrong with the first file that is
}

// read reads one file. An error ends the archive: what is wrong with the content
// of one file is noted, as the others may be fine.
func (f *files) read(r io.Reader) error {
	f.head = &Head{Kind: f.framing.Kind, Layers: f.outer.Layers[:len(f.outer.Layers):len(f.outer.Layers)]}
	return f.note(f.object(f.src, &bounded{r: r, s: f.splitter, src: f.src}, f.layers+1))
}

func (f *files) note(err error) error {
	var content *Error
	switch {
	case err == nil:
	case f.emitFailed || !errors.As(err, &content):
		return err
	case content.Reason == Bomb:
		return err
	case f.first == nil:
		f.first = err
	}
	return nil
}

// tar reads every file of an archive.
func (s *splitter) tar(src *source, br *bufio.Reader, layers int) error {
	f := files{splitter: s, src: src, layers: layers, outer: s.head}
	for t := tar.NewReader(br); ; {
		h, err := t.Next()
		switch {
		case err == io.EOF:
			return f.first
		case err != nil:
			return s.corrupt(err)
		case h.Typeflag != tar.TypeReg:
			continue
		}
		if err := f.read(t); err != nil {
			return err
		}
	}
}
