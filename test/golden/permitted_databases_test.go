package golden

var databases = []permitted{}
